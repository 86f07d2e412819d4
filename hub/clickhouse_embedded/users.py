"""The configuration files of the embedded engine: memory, small caches, and a role for the hub and each kind of reader.

chDB runs every query as the user ``default``; what a query may do is decided by the role its handle has taken. Roles
exist only in the users file: the engine has no writable access storage.
"""

from xml.sax.saxutils import escape

from profiles.access import SecuritySpec
from sinks.access import grants

HUB_ROLE = "hub_admin"


def users_xml(access: SecuritySpec) -> str:
    """Return the users file: ``default`` holds all roles, and takes one of them per handle."""
    granted = {HUB_ROLE: ["ALL ON *.* WITH GRANT OPTION"]}
    granted |= {role: grants(reader) for role, reader in access.roles().items()}
    roles = "\n".join(
        f"    <{role}><grants>{''.join(f'<query>GRANT {right}</query>' for right in rights)}</grants></{role}>"
        for role, rights in granted.items()
    )
    held = "".join(f"<query>GRANT {role}</query>" for role in granted)
    return f"""<clickhouse>
  <profiles><default/></profiles>
  <quotas><default/></quotas>
  <users>
    <default>
      <password/>
      <networks><ip>127.0.0.1</ip><ip>::1</ip></networks>
      <profile>default</profile>
      <quota>default</quota>
      <grants>{held}</grants>
    </default>
  </users>
  <roles>
{roles}
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
