"""Kafka's IncrementalAlterConfigs, which the client lacks: its AlterConfigs resets every setting left out."""

from collections.abc import Mapping
from typing import Any, cast

from aiokafka.errors import for_code
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Boolean, Int8, Int16, Int32, Schema, String

from transport.clients.kafka import KafkaAdmin

_TOPIC = 2
_SET = 0


class _Response(Response):
    API_KEY = 44  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType] - as the client's own do
    API_VERSION = 0  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType] - the same
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "responses",
            Array(
                ("error_code", Int16),
                ("error_message", String("utf-8")),
                ("resource_type", Int8),
                ("resource_name", String("utf-8")),
            ),
        ),
    )


class _Request(RequestStruct):
    API_KEY = 44
    API_VERSION = 0
    RESPONSE_TYPE = _Response
    SCHEMA = Schema(
        (
            "resources",
            Array(
                ("resource_type", Int8),
                ("resource_name", String("utf-8")),
                (
                    "configs",
                    Array(("name", String("utf-8")), ("config_operation", Int8), ("value", String("utf-8"))),
                ),
            ),
        ),
        ("validate_only", Boolean),
    )


class _IncrementalAlterConfigs(Request[_Request]):
    API_KEY = 44

    def __init__(self, settings: Mapping[str, Mapping[str, str]]) -> None:
        self._settings = settings

    def build(self, request_struct_class: type[_Request]) -> _Request:
        resources = [
            (_TOPIC, topic, [(name, _SET, value) for name, value in changed.items()])
            for topic, changed in self._settings.items()
        ]
        return request_struct_class(resources, False)  # noqa: FBT003 - the protocol's own


async def set_topic_settings(admin: KafkaAdmin, settings: Mapping[str, Mapping[str, str]]) -> None:
    """Set these settings of each topic, and leave all others as they are. Raises: the KafkaError of the response."""
    client = cast("Any", admin)
    answer = await client._send_request(_IncrementalAlterConfigs(settings))  # noqa: SLF001 - the client has no public way
    for code, reason, _, topic in answer.responses:
        if code:
            msg = f"{topic}: {reason}"
            raise for_code(code)(msg)
