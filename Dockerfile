# The service in a container: docker build -t reconciler . (config/examples/compose.yaml uses it).
# Debian's slim, not Alpine: Postgres and ffmpeg come in wheels that are built for glibc.
FROM python:3.12-slim AS build
WORKDIR /src
COPY setup.py pyproject.toml README.md LICENSE constraints.txt ./
COPY comfy_node comfy_node
COPY example_workflows example_workflows
COPY reconciler reconciler
RUN python -m venv /opt/reconciler \
    && /opt/reconciler/bin/pip install --no-cache-dir --constraint constraints.txt .

FROM python:3.12-slim
# An account with a line in /etc/passwd: the embedded Postgres wants one, and is not for root.
RUN useradd --system --uid 10001 --user-group --home-dir /data --shell /usr/sbin/nologin reconciler \
    && install --directory --owner=reconciler --group=reconciler --mode=0700 /data
COPY --from=build /opt/reconciler /opt/reconciler
ENV PATH=/opt/reconciler/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    RECONCILER_DATA_DIR=/data \
    RECONCILER_LOG__FORMAT=json
# By number, so that Kubernetes can see that it is not root.
USER 10001:10001
WORKDIR /data
VOLUME /data
# No HEALTHCHECK: the service ends where it cannot go on (so let Docker restart
# it), and waits where a server or the database is away: a restart would heal neither. What is wrong
# then, `docker exec CONTAINER reconciler doctor` tells.
STOPSIGNAL SIGTERM
ENTRYPOINT ["reconciler"]
CMD ["run"]
