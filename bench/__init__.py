"""What is measured, beside whom, on the real parts."""
