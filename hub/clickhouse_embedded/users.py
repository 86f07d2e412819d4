"""The configuration files of the embedded engine: memory, small caches, and the two roles.

chDB runs every query as the user ``default``; what a query may do is decided by the role its handle has taken. Roles
exist only in the users file: the engine has no writable access storage.
"""

from dataclasses import dataclass
from xml.sax.saxutils import escape

HUB_ROLE = "hub_admin"
BI_ROLE = "bi_reader"
BI_DATABASE = "bi"

GIB = 1 << 30

# What a BI client reads about tables at connect; the engine shows it only rows of databases it may see.
_BI_GRANTS = (
    f"GRANT SELECT, SHOW DATABASES, SHOW TABLES, SHOW COLUMNS ON {BI_DATABASE}.*",
    *(f"GRANT SELECT ON system.{table}" for table in ("one", "tables", "columns", "databases", "settings")),
    "GRANT SELECT ON INFORMATION_SCHEMA.*",
    "GRANT SELECT ON information_schema.*",
)


@dataclass(frozen=True)
class BiLimits:
    """What one query of a BI user may use; a request may lower these, never raise them."""

    seconds: int = 30
    result_rows: int = 1_000_000
    memory_bytes: int = GIB


def users_xml() -> str:
    """Return the users file: ``default`` holds both roles, and takes one of them per handle."""
    hub = "<query>GRANT ALL ON *.* WITH GRANT OPTION</query>"
    reader = "".join(f"<query>{grant}</query>" for grant in _BI_GRANTS)
    granted = "".join(f"<query>GRANT {role}</query>" for role in (HUB_ROLE, BI_ROLE))
    return f"""<clickhouse>
  <profiles><default/></profiles>
  <quotas><default/></quotas>
  <users>
    <default>
      <password/>
      <networks><ip>127.0.0.1</ip><ip>::1</ip></networks>
      <profile>default</profile>
      <quota>default</quota>
      <grants>{granted}</grants>
    </default>
  </users>
  <roles>
    <{HUB_ROLE}><grants>{hub}</grants></{HUB_ROLE}>
    <{BI_ROLE}><grants>{reader}</grants></{BI_ROLE}>
  </roles>
</clickhouse>
"""


def config_xml(users_file: str, memory_bytes: int) -> str:
    """Return the engine's configuration: the memory cap in bytes for all queries and caches, and small caches."""
    return f"""<clickhouse>
  <users_config>{escape(users_file)}</users_config>
  <timezone>UTC</timezone>
  <max_server_memory_usage>{memory_bytes}</max_server_memory_usage>
  <mark_cache_size>{64 << 20}</mark_cache_size>
  <primary_index_cache_size>{64 << 20}</primary_index_cache_size>
  <uncompressed_cache_size>0</uncompressed_cache_size>
</clickhouse>
"""
