# Stands in for python:3.11-slim where images cannot be pulled: Debian's own Python, on a base made with debootstrap.
FROM stand-in/debian:bookworm
# The certificates of the machine that builds, so that pip reaches whatever package registry it reaches there.
COPY ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt
RUN ln -s /usr/bin/python3 /usr/local/bin/python
