# One image for all roles: `docker run redletter worker`, `docker run redletter api` and so on.
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

FROM ${BASE}
RUN useradd --system --uid 10001 --no-create-home redletter
COPY --from=build /opt/redletter /opt/redletter
# A role touches this file to show that it is alive; /tmp may be the only writable folder.
ENV PATH=/opt/redletter/bin:$PATH PYTHONUNBUFFERED=1 REDLETTER_ALIVE_FILE=/tmp/redletter-alive
USER 10001
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
    CMD ["sh", "-c", "test -n \"$(find \"$REDLETTER_ALIVE_FILE\" -newermt '30 seconds ago')\""]
ENTRYPOINT ["redletter"]
CMD ["--help"]
