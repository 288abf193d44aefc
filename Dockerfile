# One image for all roles: `docker run redletter worker`, `docker run redletter api` and so on. And the whole system in one
# container, for the tests of others (docs/integrate/containers.md): `docker build --target test --tag redletter:test .`
ARG BASE=python:3.11-slim

FROM ${BASE} AS build
WORKDIR /build
COPY requirements-build.lock requirements-image.lock ./
RUN python -m venv /opt/build && python -m venv --without-pip /opt/redletter \
 && /opt/build/bin/pip install --no-cache-dir --require-hashes --requirement requirements-build.lock \
 && /opt/build/bin/pip --python /opt/redletter/bin/python install --no-cache-dir --require-hashes \
        --requirement requirements-image.lock
COPY . .
RUN /opt/build/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels . \
 && /opt/build/bin/pip --python /opt/redletter/bin/python install --no-cache-dir --no-deps --no-index /wheels/*.whl

FROM ${BASE} AS service
RUN useradd --system --uid 10001 --no-create-home redletter
COPY --from=build /opt/redletter /opt/redletter
# A role touches this file to show that it is alive; /tmp may be the only writable folder.
ENV PATH=/opt/redletter/bin:$PATH PYTHONUNBUFFERED=1 REDLETTER_ALIVE_FILE=/tmp/redletter-alive
USER 10001
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
    CMD ["sh", "-c", "test -n \"$(find \"$REDLETTER_ALIVE_FILE\" -newermt '30 seconds ago')\""]
ENTRYPOINT ["redletter"]
CMD ["--help"]

FROM build AS build-test
COPY requirements-embedded.lock ./
RUN /opt/build/bin/pip --python /opt/redletter/bin/python install --no-cache-dir --require-hashes \
        --requirement requirements-embedded.lock \
 && PYTHONPATH=$(echo /opt/redletter/lib/python3.*/site-packages/redletter/_rooms) XDG_CACHE_HOME=/opt/cache \
        /opt/redletter/bin/python -c 'from local.kafka_jars import kafka_jars; kafka_jars(print)'

FROM ${BASE} AS test
RUN useradd --system --uid 10001 --no-create-home redletter \
 && install --directory --owner redletter --mode 700 /data /run/redletter
COPY --from=build-test /opt/redletter /opt/redletter
COPY --from=build-test --chown=redletter /opt/cache /opt/cache
COPY scripts/test-image/ /opt/redletter/bin/
ENV PATH=/opt/redletter/bin:$PATH PYTHONUNBUFFERED=1 XDG_CACHE_HOME=/opt/cache REDLETTER_DATA_DIR=/data \
    REDLETTER_API_HOST=0.0.0.0 REDLETTER_AUTH_NONE_IS_FINE=yes REDLETTER_TAX_REPEAT_SECONDS=1
USER 10001
EXPOSE 9092 8080
HEALTHCHECK --interval=2s --timeout=3s --start-period=60s CMD ["test", "-e", "/data/running.json"]
ENTRYPOINT ["start"]

# What is built where no target is named.
FROM service
