"""Apache's own Kafka image in a test container; the library's class knows how the Confluent image is started."""

from testcontainers.community.kafka import KafkaContainer


class ApacheKafkaContainer(KafkaContainer):
    """A broker that is its own controller, in KRaft."""

    def configure(self) -> None:
        """Say what the image's own settings do not: two listeners, a controller, one copy of everything."""
        listeners = f"{self.listeners},CONTROLLER://0.0.0.0:9094"
        self.wait_for = "Kafka Server started"  # pyright: ignore[reportAttributeAccessIssue] - the library's own way
        for name, value in {
            "NODE_ID": "1",
            "PROCESS_ROLES": "broker,controller",
            "LISTENERS": listeners,
            "LISTENER_SECURITY_PROTOCOL_MAP": f"{self.security_protocol_map},CONTROLLER:PLAINTEXT",
            "CONTROLLER_LISTENER_NAMES": "CONTROLLER",
            "CONTROLLER_QUORUM_VOTERS": "1@localhost:9094",
            "AUTO_CREATE_TOPICS_ENABLE": "false",
            "MESSAGE_MAX_BYTES": "5242880",
            "TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
            "TRANSACTION_STATE_LOG_MIN_ISR": "1",
            "SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR": "1",
            "SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR": "1",
        }.items():
            self.with_env(f"KAFKA_{name}", value)

    def tc_start(self) -> None:
        """Start the broker once its published port is known, which it advertises to clients."""
        host, port = self.get_container_host_ip(), self.get_exposed_port(self.port)
        script = f"""
            export KAFKA_ADVERTISED_LISTENERS={self.listener_name}://{host}:{port},BROKER://$(hostname -i):9092
            exec /etc/kafka/docker/run
        """
        self.create_file(script.encode(), self.TC_START_SCRIPT)
