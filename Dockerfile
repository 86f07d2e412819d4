# The hub's one image; the command says which process: gateway, worker, sink or screen.
ARG PYTHON=3.11.15-slim-bookworm

FROM python:${PYTHON} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/zhishu
ENV PATH=/opt/zhishu/bin:$PATH
# Exact versions with hashes; first, so that a change of our own code does not fetch them again. build.lock brings what
# builds the few packages that come as source (pure Python: no compiler is needed).
COPY requirements/build.lock requirements/run.lock /app/requirements/
RUN pip install --require-hashes -r /app/requirements/build.lock \
    && pip install --no-build-isolation --require-hashes -r /app/requirements/run.lock
COPY pyproject.toml README.md /app/
COPY schemas /app/schemas
COPY profiles /app/profiles
COPY monitoring /app/monitoring
COPY connectors /app/connectors
COPY streams /app/streams
COPY sinks /app/sinks
COPY hub /app/hub
COPY bench /app/bench
# Editable: schemas, migrations and rules are read from beside the modules.
RUN pip install --no-build-isolation --no-deps --editable /app \
    && pip uninstall --yes setuptools wheel \
    && python -m compileall -q /app

FROM python:${PYTHON}
RUN groupadd --gid 10001 zhishu \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin zhishu \
    && install -d -o 10001 -g 10001 -m 0700 /data
# Owned by root: the process can't change its own code.
COPY --from=build /opt/zhishu /opt/zhishu
COPY --from=build /app /app
ENV PATH=/opt/zhishu/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    TZ=UTC \
    ZHISHU_DATA_DIR=/data
USER 10001:10001
WORKDIR /data
ENTRYPOINT ["zhishu"]
