"""Where the api of `up` will listen, checked before anything starts, and how its host is asked."""

from local import ports
from local.plan import Plan, SystemFailed

_USUAL_PORT = 8080


def planned_api_url(plan: Plan) -> str | None:
    """Return the api's ``http://host:port``, or None if it does not run. Raises: SystemFailed."""
    if "api" not in plan.roles:
        return None
    try:
        port = _port(plan)
    except OSError as error:
        msg = (
            f"the api cannot listen on {plan.api_host}: {error.strerror}; set REDLETTER_API_HOST to an address of this "
            "machine"
        )
        raise SystemFailed(msg) from None
    return url_at(plan.api_host, port)


def url_at(listening: str, port: int) -> str:
    """Return the ``http://host:port`` by which a server on this machine is asked. listening: the host it listens on."""
    host = "127.0.0.1" if listening == "0.0.0.0" else listening  # noqa: S104 - not bound, compared
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _port(plan: Plan) -> int:
    wanted = _USUAL_PORT if plan.api_port is None else plan.api_port
    if ports.is_free(wanted, plan.api_host) and wanted:
        return wanted
    if plan.api_port:
        msg = f"port {plan.api_port} is taken; set REDLETTER_API_PORT to another, or to 0 for any free one"
        raise SystemFailed(msg)
    return ports.free(1)[0]
