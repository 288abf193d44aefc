# One image for every role: `docker run redletter worker`, `docker run redletter api` and so on.
ARG BASE=python:3.11-slim

FROM ${BASE} AS build
WORKDIR /build
RUN python -m venv /opt/redletter
COPY requirements.lock ./
RUN /opt/redletter/bin/pip install --no-cache-dir --require-hashes --requirement requirements.lock
COPY . .
RUN /opt/redletter/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM ${BASE}
RUN useradd --system --create-home redletter
COPY --from=build /opt/redletter /opt/redletter
ENV PATH=/opt/redletter/bin:$PATH PYTHONUNBUFFERED=1
USER redletter
ENTRYPOINT ["redletter"]
CMD ["--help"]
