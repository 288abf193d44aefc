"""Why a process ends itself, for whoever runs it."""


class Unfit(Exception):
    """The process cannot do its work as things are; the message is one sentence that says why and what would help."""
