"""docker-compose.yml, Dockerfile and .env.example hold what production needs; no Docker engine is asked."""

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from defusedxml import ElementTree

from hub.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
COMPOSE = ROOT / "docker-compose.yml"
TEXT = COMPOSE.read_text(encoding="utf-8")
BODY: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = BODY["services"]
HUB = ("init", "gateway", "reader", "worker", "sink", "screen", "supervise")
#: Runs and ends.
ONE_SHOT = {"init"}
KNOWN_SETTINGS = {f"ZHISHU_{field.upper()}" for field in Settings.model_fields}
PARAMETRIZED = pytest.mark.parametrize("name", sorted(SERVICES))

#: Images that write beside their programs; docker-compose.yml says so at each.
WRITABLE = {"kafka-1", "kafka-2", "kafka-3", "registry", "clickhouse"}


def variables(text: str) -> dict[str, str]:
    """Variables a compose text takes from .env, with what follows the name: `:?...` required, `:-...` a default."""
    return dict(re.findall(r"(?<!\$)\$\{(\w+)([^}]*)\}", text))


def environment(name: str) -> dict[str, str]:
    return {key: str(value) for key, value in SERVICES[name].get("environment", {}).items()}


def test_the_file_keeps_to_the_compose_specification() -> None:
    if importlib.util.find_spec("check_jsonschema") is None:
        pytest.skip("check-jsonschema is not installed: it is one of the dev dependencies (make lint installs them)")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(COMPOSE)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_docker_itself_takes_the_file(tmp_path: Path) -> None:
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], check=False, capture_output=True).returncode:
        pytest.skip(
            "`docker compose` is not installed: Docker's package docker-compose-plugin has it; no engine is needed"
        )
    filled = tmp_path / ".env"
    filled.write_text("".join(f"{name}=x\n" for name in variables(TEXT)), encoding="utf-8")
    command = [docker, "compose", "--env-file", str(filled), "--file", str(COMPOSE), "config", "--quiet"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_every_part_of_the_design_is_there() -> None:
    assert SERVICES.keys() >= {*HUB, "kafka-1", "registry", "clickhouse", "prometheus", "alertmanager", "grafana"}


@PARAMETRIZED
def test_a_service_has_an_image_of_one_version_and_a_limit_and_a_health_check(name: str) -> None:
    service = SERVICES[name]
    tag = service["image"].partition(":")[2]
    assert re.search(r"\d+\.\d+", tag), f"{service['image']} names no version"
    limits = service["deploy"]["resources"]["limits"]
    assert float(limits["cpus"]) > 0
    assert re.fullmatch(r"\d+[mg]", limits["memory"])
    if name in ONE_SHOT:
        assert service["restart"] == "no"
    else:
        assert service["restart"] == "unless-stopped"
        assert service["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}


@PARAMETRIZED
def test_a_service_has_no_right_it_does_not_need(name: str) -> None:
    service = SERVICES[name]
    assert service["user"].split(":")[0] != "0"
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service.get("read_only", False) == (name not in WRITABLE)
    assert not service.keys() & {"privileged", "cap_add", "network_mode", "pid", "devices"}


@PARAMETRIZED
def test_everything_is_on_networks_and_volumes_that_exist(name: str) -> None:
    service = SERVICES[name]
    assert set(service["networks"]) <= BODY["networks"].keys()
    for volume in service.get("volumes", []):
        source, _, options = str(volume).partition(":")
        if source.startswith("./"):
            assert (ROOT / source).exists(), f"{name} mounts {source}, which is not in the repository"
            assert options.endswith(":ro"), f"{name} could change {source}"
        elif not source.startswith("$"):
            assert source in BODY["volumes"]
    for secret in service.get("secrets", []):
        assert (secret["source"] if isinstance(secret, dict) else secret) in BODY["secrets"]


@PARAMETRIZED
def test_a_service_waits_only_for_services_that_have_what_it_waits_for(name: str) -> None:
    for other, wait in SERVICES[name].get("depends_on", {}).items():
        if other in ONE_SHOT:
            assert wait["condition"] == "service_completed_successfully"
        else:
            assert wait["condition"] == "service_healthy"
            assert "healthcheck" in SERVICES[other]


def test_the_data_network_has_no_way_out_and_nothing_of_kafka_is_published() -> None:
    assert BODY["networks"]["back"]["internal"] is True
    for name, service in SERVICES.items():
        if name.startswith("kafka") or name in {"registry", "init", "worker", "sink", "blackbox"}:
            assert service["networks"] == ["back"]
            assert "ports" not in service
        else:
            assert "front" in service["networks"] or "ports" not in service


def test_nothing_is_published_to_the_world_by_default() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert len(ports) >= 2
    assert all(port.startswith(("127.0.0.1:", "${ZHISHU_LISTEN:-127.0.0.1}:")) for port in ports)


def test_no_secret_has_a_default() -> None:
    found = variables(TEXT)
    wanted = {
        name: rest for name, rest in found.items() if re.search("PASSWORD|SECRET|CLUSTER_ID|WEBHOOK|PROFILE", name)
    }
    assert len(wanted) == 8
    for name, rest in wanted.items():
        assert re.match(r":\?set it in \.env", rest), f"{name} must be required, with a word on what to set"
    assert all(rest.startswith((":?", ":-")) for rest in found.values())


def test_the_example_of_env_has_every_variable_and_no_value() -> None:
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    given = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    assert given.keys() == variables(TEXT).keys()
    assert set(given.values()) == {""}


CLICKHOUSE_USERS = (ROOT / "docker/clickhouse/users.d/zhishu.xml").read_text(encoding="utf-8")


def test_every_user_of_clickhouse_has_a_password_from_the_environment() -> None:
    users = ElementTree.fromstring(CLICKHOUSE_USERS).findall("users/*")
    assert [user.tag for user in users] == ["default", "hub", "gateway"]
    asked = [password.get("from_env") for user in users for password in user.iterfind("password")]
    assert len(asked) == len(users)
    assert set(asked) <= environment("clickhouse").keys()
    assert CLICKHOUSE_USERS.count("<password") == len(asked)


def test_the_user_default_of_clickhouse_is_shut_in_and_the_gateway_reads_two_tables() -> None:
    body = ElementTree.fromstring(CLICKHOUSE_USERS)
    assert {ip.text for ip in body.iterfind("users/default/networks/ip")} == {"127.0.0.1", "::1"}
    reads = [query.text for query in body.iterfind("users/gateway/grants/query")]
    assert reads == ["GRANT SELECT ON hub.routed", "GRANT SELECT ON hub.progress"]
    assert body.findtext("users/gateway/profile") == "lookups"
    assert body.findtext("profiles/lookups/readonly") == "2"


def test_init_makes_the_readers_of_clickhouse_and_nobody_else_has_their_passwords() -> None:
    given = {name for name in HUB if "ZHISHU_CLICKHOUSE_READERS" in environment(name)}
    assert given == {"init"}
    assert environment("init")["ZHISHU_CLICKHOUSE_READERS"].startswith("bi=${CLICKHOUSE_BI_PASSWORD:?")
    assert environment("init")["ZHISHU_CLICKHOUSE_READERS"].endswith(" ${CLICKHOUSE_READERS:-}")


@pytest.mark.parametrize("name", HUB)
def test_a_process_of_the_hub_gets_only_settings_that_exist(name: str) -> None:
    given = environment(name).keys()
    assert given <= KNOWN_SETTINGS
    assert given >= {"ZHISHU_KAFKA_BOOTSTRAP", "ZHISHU_REGISTRY_URL", "ZHISHU_PROFILE"}


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        ("gateway", "ZHISHU_HTTP_PORT"),
        ("reader", "ZHISHU_READER_PORT"),
        ("worker", "ZHISHU_WORKER_PORT"),
        ("sink", "ZHISHU_SINK_PORT"),
        ("screen", "ZHISHU_SCREEN_PORT"),
        ("supervise", "ZHISHU_SUPERVISE_PORT"),
    ],
)
def test_the_port_a_process_listens_on_is_the_one_asked_for_health_and_scraped(name: str, setting: str) -> None:
    port = environment(name)[setting]
    assert SERVICES[name]["healthcheck"]["test"][-1] == f"http://127.0.0.1:{port}/health"
    scraping = yaml.safe_load((ROOT / "monitoring/prometheus/prometheus.yml").read_text(encoding="utf-8"))
    (job,) = [job for job in scraping["scrape_configs"] if job["job_name"] == name]
    assert job["dns_sd_configs"] == [{"names": [name], "type": "A", "port": int(port)}]
    assert all(str(mapping).endswith(f":{port}:{port}") for mapping in SERVICES[name].get("ports", []))


@pytest.mark.parametrize("name", HUB)
def test_a_process_of_the_hub_runs_its_own_command(name: str) -> None:
    service = SERVICES[name]
    started = " ".join(service.get("entrypoint", ["zhishu"]) + service.get("command", []))
    assert started.endswith(f"zhishu {name}")


@pytest.mark.parametrize("name", ["worker", "sink"])
def test_every_replica_has_a_name_of_its_own_in_its_group(name: str) -> None:
    assert SERVICES[name]["entrypoint"][-1] == f"export ZHISHU_INSTANCE=$$HOSTNAME; exec zhishu {name}"
    assert "ZHISHU_INSTANCE" in KNOWN_SETTINGS


def test_only_the_gateway_and_the_reader_are_given_the_keys() -> None:
    given = [name for name in HUB if "secrets" in SERVICES[name]]
    assert given == ["gateway", "reader"]
    for name in given:
        (secret,) = SERVICES[name]["secrets"]
        assert environment(name)["ZHISHU_SECRETS"] == f"/run/secrets/{secret['target']}"


def test_how_far_each_source_was_read_outlives_the_container() -> None:
    assert "reader:/data" in SERVICES["reader"]["volumes"]
    assert not any(mount.startswith("/data") for mount in SERVICES["reader"]["tmpfs"])


def test_an_acknowledged_message_is_on_two_brokers_and_on_disk() -> None:
    brokers = [environment(name) for name in SERVICES if name.startswith("kafka-")]
    assert len({broker["KAFKA_NODE_ID"] for broker in brokers}) == 3
    for broker in brokers:
        assert broker["KAFKA_DEFAULT_REPLICATION_FACTOR"] == "3"
        assert broker["KAFKA_MIN_INSYNC_REPLICAS"] == "2"
        assert broker["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"
        assert broker["KAFKA_LOG_FLUSH_INTERVAL_MESSAGES"].endswith(":-1}")
        voters = dict(voter.split("@") for voter in broker["KAFKA_CONTROLLER_QUORUM_VOTERS"].split(","))
        host = voters[broker["KAFKA_NODE_ID"]].split(":")[0]
        assert broker["KAFKA_ADVERTISED_LISTENERS"] == f"PLAINTEXT://{host}:9092"
        assert host in SERVICES


def test_the_brokers_are_of_the_release_that_one_machine_embeds() -> None:
    lock = (ROOT / "hub/kafka_jars.lock").read_text(encoding="utf-8")
    (release,) = set(re.findall(r"org\.apache\.kafka:kafka_2\.13:(\S+)", lock))
    assert {SERVICES[f"kafka-{n}"]["image"] for n in (1, 2, 3)} == {f"apache/kafka:{release}"}


def test_the_image_is_built_from_hashes_runs_as_nobody_and_has_no_compiler() -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    build, final = text.split("FROM python:${PYTHON}\n")
    assert build.count("--require-hashes") == 2
    assert re.search(r"^ARG PYTHON=3\.11\.\d+-slim-\w+$", build, re.MULTILINE)
    assert re.search(r"^USER 10001:10001$", final, re.MULTILINE)
    assert SERVICES["gateway"]["user"] == "10001:10001"
    assert not re.search(r"\bpip\b|apt-get|gcc|index-url|https?://", final)
    assert not re.search(r"index-url|https?://", build)


def test_the_image_gets_every_package_and_nothing_secret() -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    copied = set(re.findall(r"^COPY (\w+) /app/", text, re.MULTILINE))
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}
    assert copied == packages
    allowed = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in allowed
    assert {line[1:] for line in allowed if line.startswith("!")} == packages | {
        "requirements",
        "pyproject.toml",
        "README.md",
    }


def test_only_init_and_sink_get_clickhouses_writing_user_and_the_others_read_as_little_as_they_need() -> None:
    urls = {name: str(SERVICES[name]["environment"].get("ZHISHU_CLICKHOUSE_URL", "")) for name in HUB}
    assert {name for name, found in urls.items() if found.startswith("http://hub:")} == {"init", "sink"}
    assert urls["screen"].startswith("http://bi:")
    assert urls["gateway"].startswith("http://gateway:")
    assert urls["reader"] == urls["worker"] == ""
