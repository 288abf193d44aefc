# Replaces python:3.11-slim where images cannot be pulled: Debian's Python, on a base built with debootstrap.
FROM stand-in/debian:bookworm
# The certificates of the machine that builds, so that pip and jgo can reach the same package registries.
COPY ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt REQUESTS_CA_BUNDLE=/etc/ssl/certs/ca-certificates.crt
RUN ln -s /usr/bin/python3 /usr/local/bin/python
