"""One example for every answer and every body, shown in the description of the api."""

from typing import Any

_NUMBER, _CREDIT_NOTE, _FORM = "26312000000000000001", "26312000000000000091", "33010026020000000001"
_RETURN: dict[str, Any] = {
    "return_id": "0b7c4f0e-6f0c-4d0e-9f57-6f6d0a6c8f11",
    "route": "form",
    "phase": "verifying_reversal",
    "due_earliest": "2026-02-14T00:00:00+08:00",
    "due_latest": "2026-02-25T23:59:59+08:00",
    "overdue": False,
    "attempts": 0,
}
STATUS_EXAMPLE: dict[str, Any] = {
    "invoice_number": _NUMBER,
    "account_id": "acme",
    "status": {"code": "reversed_with_credit_note", "label": "Reversed with credit note"},
    "return_complete": True,
    "original_void": True,
    "posting_status": "recorded",
    "actions": ["details", "reissue"],
    "return": _RETURN,
    "credit_note_number": _CREDIT_NOTE,
    "replacement_numbers": [],
    "version": 5,
    "as_of": "2026-02-14T03:12:45Z",
}
_INVOICE: dict[str, Any] = {
    "invoice_number": _NUMBER,
    "account_id": "acme",
    "occurred_at": "2026-02-01T02:00:00Z",
    "kind": "special",
    "issued_on": "2026-02-01",
    "seller": {"name": "Cloud Company", "tax_id": "91330106MA2CFLDG4R"},
    "buyer": {"name": "Example Ltd.", "tax_id": "91110108551385082Q"},
    "net_amount": "100.00",
    "tax_amount": "6.00",
    "total_amount": "106.00",
    "charges": [{"charge_id": "ecs-2026-01", "amount": "106.00"}],
}
_REPORTED_FORM: dict[str, Any] = {
    "number": _FORM,
    "state": "04",
    "invoice_number": _NUMBER,
    "kind": "special",
    "seller_tax_id": "91330106MA2CFLDG4R",
    "buyer_tax_id": "91110108551385082Q",
    "net_amount": "-100.00",
    "tax_amount": "-6.00",
    "reason_code": "01",
    "entered_at": "2026-02-13T01:00:00Z",
    "confirmed_at": "2026-02-13T02:00:00Z",
}
DETAILS_EXAMPLE: dict[str, Any] = {
    "invoice": _INVOICE,
    "status": STATUS_EXAMPLE,
    "return": {**_RETURN, "reason": "wrong_amount", "remarks": f"original invoice {_NUMBER}", "form": _REPORTED_FORM},
    "credit_note": {
        "credit_note_number": _CREDIT_NOTE,
        "issued_on": "2026-02-14",
        "form_number": _FORM,
        "net_amount": "-100.00",
        "tax_amount": "-6.00",
    },
    "reissues": [],
    "replacements": [],
    "version": 5,
}
PAGE_EXAMPLE: dict[str, Any] = {
    "items": [
        {
            "invoice_number": _NUMBER,
            "account_id": "acme",
            "kind": "special",
            "issued_on": "2026-02-01",
            "status": {"code": "issued", "label": "Issued"},
            "posting_status": "unknown",
            "buyer": {"name": "Blue Sky Ltd", "tax_id": "91330100111111111X"},
            "net_amount": "100.00",
            "tax_amount": "6.00",
            "total_amount": "106.00",
            "actions": ["details", "return"],
            "overdue": False,
        }
    ],
    "next_cursor": "WyIyMDI2LTAyLTAxIiwiMjYzMTIwMDAwMDAwMDAwMDAwMDEiXQ",
    "count": {"value": 10000, "exact": False},
}
HISTORY_EXAMPLE: dict[str, Any] = {
    "events": [
        {
            "id": f"{_NUMBER}-1",
            "type": "redletter.invoice.InvoiceIssued.v1",
            "version": 1,
            "occurred_at": "2026-02-01T02:00:00+00:00",
            "causation_id": "register-1",
            "correlation_id": "register-1",
            "data": _INVOICE,
        }
    ]
}
CHARGES_EXAMPLE: dict[str, Any] = {
    "items": [
        {
            "charge_id": "ecs-2026-01",
            "amount": "106.00",
            "state": "reissue_pending",
            "invoice_number": _NUMBER,
            "reissue_id": "a5b2f3a0-8a2e-4d0c-a7a0-6a52c3a1b9d4",
        }
    ]
}
FORM_EXAMPLE: dict[str, Any] = {
    "number": _FORM,
    "state": "04",
    "invoice_number": _NUMBER,
    "active": True,
    "form": _REPORTED_FORM,
}
KEY_EXAMPLE: dict[str, Any] = {
    "kty": "oct",
    "k": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
    "kid": _NUMBER,
    "alg": "dir",
    "use": "enc",
}
RETURNS_EXAMPLE: dict[str, Any] = {
    "items": [
        {
            "invoice_number": _NUMBER,
            "account_id": "acme",
            "return_id": _RETURN["return_id"],
            "route": "form",
            "phase": "issuing_credit_note",
            "requested_at": "2026-02-13T09:30:00Z",
            "due_earliest": "2026-02-13T16:00:00Z",
            "due_latest": "2026-02-25T15:59:59Z",
            "overdue": False,
            "attempts": 1,
            "failure": "PLATFORM_BUSY",
            "retry_at": "2026-02-14T03:12:45Z",
        }
    ],
    "next_cursor": "WyIyMDI2LTAyLTI1VDE1OjU5OjU5WiIsIjI2MzEyMDAwMDAwMDAwMDAwMDAxIl0",
}
ACCEPTED_EXAMPLE: dict[str, Any] = {
    "command_id": "click-1",
    "command_source": "urn:redletter:api:acme",
    "command_type": "redletter.invoice.RequestReturn.v1",
    "invoice_number": _NUMBER,
    "invoice_version": 3,
    "events": [{"id": f"{_NUMBER}-3", "type": "redletter.invoice.ReturnRequested.v1"}],
    "status": "return_in_progress",
    "replayed": False,
}
_REFUSED: dict[str, Any] = {
    "command_id": "click-1",
    "command_source": "urn:redletter:api:acme",
    "command_type": "redletter.invoice.RequestReturn.v1",
    "invoice_number": _NUMBER,
    "details": {},
    "replayed": False,
}
NOT_FOUND_EXAMPLE: dict[str, Any] = {
    **_REFUSED,
    "details": {"invoice_number": _NUMBER},
    "code": "INVOICE_NOT_FOUND",
    "message": "There is no such invoice in this account. Check the number and the account.",
}
IN_PROGRESS_EXAMPLE: dict[str, Any] = {
    **_REFUSED,
    "details": {"return_id": _RETURN["return_id"]},
    "invoice_version": 3,
    "code": "RETURN_ALREADY_IN_PROGRESS",
    "message": "A return of this invoice is in progress. Wait for it to complete; that takes 1 to 3 business days.",
}
REINVOICED_EXAMPLE: dict[str, Any] = {
    **_REFUSED,
    "command_type": "redletter.invoice.RequestReissue.v1",
    "invoice_version": 6,
    "code": "CHARGE_ALREADY_REINVOICED",
    "message": "Some of the charges are already on a new invoice or have been requested. Leave them out. A charge of a "
    "replacement that was returned is reissued from that replacement.",
    "details": {"charge_ids": ["ecs-2026-01"]},
}
REFUSED_EXAMPLES = (NOT_FOUND_EXAMPLE, IN_PROGRESS_EXAMPLE, REINVOICED_EXAMPLE)
UNDERWAY_EXAMPLE: dict[str, Any] = {
    "status": "published",
    "command_id": "click-1",
    "monitor": "/commands/click-1?source=urn%3Aredletter%3Aapi%3Aacme",
}
RETURN_EXAMPLE: dict[str, Any] = {
    "account_id": "acme",
    "posting_status": "recorded",
    "red_font_form_number": _FORM,
    "reason": "wrong_amount",
    "remarks": f"original invoice {_NUMBER}",
}
RETURNS_REQUEST_EXAMPLE: dict[str, Any] = {
    "items": [{"invoice_number": _NUMBER, "command_id": "click-1", **RETURN_EXAMPLE}]
}
ACCEPTED_EXAMPLES: dict[str, dict[str, Any]] = {
    "RequestReturn": ACCEPTED_EXAMPLE,
    "RequestReissue": {
        **ACCEPTED_EXAMPLE,
        "command_type": "redletter.invoice.RequestReissue.v1",
        "invoice_version": 6,
        "events": [{"id": f"{_NUMBER}-6", "type": "redletter.invoice.ReissueRequested.v1"}],
        "status": "returned",
    },
}
"""By the command."""
RETURN_OUTCOMES_EXAMPLE: dict[str, Any] = {
    "items": [{"invoice_number": _NUMBER, "command_id": "click-1", "status": 200, "reply": ACCEPTED_EXAMPLE}]
}
REISSUE_EXAMPLE: dict[str, Any] = {
    "account_id": "acme",
    "charge_ids": ["ecs-2026-01"],
    "buyer": {"name": "The Right Name Ltd.", "tax_id": "91110108551385082Q"},
}
READY_EXAMPLE: dict[str, Any] = {"status": "ready", "reasons": [], "stopped": [], "out_of_date": []}
OPERATIONS_EXAMPLE: dict[str, Any] = {
    "at": "2026-02-14T03:12:45Z",
    "reasons": [],
    "unpublished": {"entries": 0, "seconds": 0.0},
    "lag": [{"consumer": "redletter.worker", "messages": 0, "seconds": 0.0}],
    "returns": [{"phase": "verifying_reversal", "returns": 1, "overdue": 0}],
    "overdue": [],
    "near_due": [],
    "failing": [],
    "alarms": [],
    "parked": [],
    "out_of_date": [],
    "dead_letters": [],
    "dead_letters_by_reason": {},
    "dead_letters_waiting": {},
}
