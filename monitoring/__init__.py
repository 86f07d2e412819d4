"""What the ops team watches: metric names, Prometheus rules, dashboards."""
