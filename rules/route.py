"""Which route a return takes. The write side decides by it, and the page asks by it."""

from events.values import Kind, Route, SeenPostingStatus


def route_of(
    kind: Kind, posting_status: SeenPostingStatus, general_recorded: Route, *, has_form: bool = False
) -> Route:
    """Return the route of a return.

    general_recorded: that of a recorded general invoice whose request names no form, a setting.
    Source: seed, "Request a refund"; docs/tax-rules.md [A11].
    """
    if posting_status != "recorded":
        return "simple"
    return "form" if kind == "special" or has_form else general_recorded
