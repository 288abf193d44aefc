# Replaces apache/kafka where images cannot be pulled: the same jars and variables, another Java runtime.
FROM stand-in/debian:bookworm
COPY java /opt/java
COPY libs /opt/kafka/libs
COPY run /etc/kafka/docker/run
RUN useradd --uid 1000 appuser \
 && install --directory --owner appuser /var/lib/kafka/data /mnt/shared/config /etc/kafka/secrets
USER 1000
EXPOSE 9092
VOLUME ["/var/lib/kafka/data", "/mnt/shared/config", "/etc/kafka/secrets"]
CMD ["/etc/kafka/docker/run"]
