# feedgate: two stages, so that the image holds no compiler, no pip cache and no sources.
ARG PYTHON=3.11

FROM python:${PYTHON}-slim AS build
WORKDIR /src
COPY pyproject.toml README.md ./
COPY proxy ./proxy
# Compiled here, because the root file system of the running container is read-only.
RUN python -m venv /opt/feedgate \
 && /opt/feedgate/bin/pip install --no-cache-dir --disable-pip-version-check . \
 && /opt/feedgate/bin/python -m compileall -q /opt/feedgate/lib

FROM python:${PYTHON}-slim
# The folders exist and belong to the user before the volumes are laid over them, so that new volumes do too.
RUN groupadd --gid 10001 feedgate \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin feedgate \
 && install -d -o 10001 -g 10001 -m 0700 /data /data/cache /data/state /data/vault
COPY --from=build /opt/feedgate /opt/feedgate
COPY config.toml /etc/feedgate/config.toml
ENV PATH=/opt/feedgate/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    FEEDGATE_CONFIG=/etc/feedgate/config.toml \
    FEEDGATE__SERVER__HOST=0.0.0.0 \
    FEEDGATE__SERVER__PORT=8080 \
    FEEDGATE__SERVER__DATA_DIR=/data
# cache may be thrown away, state and vault never.
VOLUME ["/data/cache", "/data/state", "/data/vault"]
USER 10001:10001
EXPOSE 8080
STOPSIGNAL SIGTERM
# http.client and not urllib, which would ask through HTTP_PROXY.
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s --retries=3 \
  CMD ["python", "-c", "import http.client, os; c = http.client.HTTPConnection('127.0.0.1', int(os.environ['FEEDGATE__SERVER__PORT']), timeout=4); c.request('GET', '/healthz'); raise SystemExit(c.getresponse().status != 200)"]
ENTRYPOINT ["feedgate"]
CMD ["serve"]
