"""One message of every type twice: with every field, and with the fewest. Their bytes are golden."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal

from events import commands, invoice_events
from events.notices import CommandParked, CommandReleased
from events.replies import CommandAccepted, CommandRefused, EventReference
from events.status import InvoiceStatus, LastRefusal, ReturnProgress, Status
from events.tax_requests import IssueCreditNote, OpenRedFontForm, VerifyRedFontForm, VerifyReversal
from events.values import Buyer, Calendar, Charge, Document, Message, RedFontForm, Replaces, Seller

NUMBER = "26312000000000000001"
REPLACEMENT = "26312000000000000002"
CREDIT_NOTE = "26312000000000000091"
FORM = "33010026020000000001"
AT = datetime(2026, 2, 13, 1, 30, 0, 125000, tzinfo=UTC)
DUE = (datetime.fromisoformat("2026-02-14T00:00:00+08:00"), datetime.fromisoformat("2026-02-25T23:59:59+08:00"))
NET, TAX = Decimal("-100.00"), Decimal("-6.00")
SELLER = Seller(name="云服务有限公司", tax_id="91330106MA2CFLDG4R")
BUYER = Buyer(name="Example Ltd.", tax_id="91110108551385082Q")
ANYBODY = Buyer(name="张三")
OWN = {"invoice_number": NUMBER, "account_id": "account-1"}
HAPPENED = OWN | {"occurred_at": AT}
CHARGES = (
    Charge(charge_id="charge-1", amount=Decimal("110.00"), description="ECS, January"),
    Charge(charge_id="charge-2", amount=Decimal("-4.00")),
)
ISSUED = {
    "kind": "special",
    "issued_on": date(2026, 2, 1),
    "seller": SELLER,
    "buyer": BUYER,
    "net_amount": Decimal("100.00"),
    "tax_amount": Decimal("6.00"),
    "total_amount": Decimal("106.00"),
    "charges": CHARGES,
}
DOCUMENTS = (
    Document(format="pdf", url="https://files.example/1.pdf", sha256="0" * 64),
    Document(format="ofd", url="https://files.example/1.ofd"),
)
ISSUED_MORE = {
    "remarks": "合同 A-1",
    "replaces": Replaces(invoice_number=REPLACEMENT, reissue_id="reissue-1"),
    "documents": DOCUMENTS,
}
FORM_LEAST = {
    "number": FORM,
    "state": "01",
    "invoice_number": NUMBER,
    "kind": "general",
    "seller_tax_id": SELLER.tax_id,
    "net_amount": NET,
    "tax_amount": TAX,
    "reason_code": "01",
    "entered_at": AT,
}
LEAST_FORM = RedFontForm.model_validate(FORM_LEAST)
FULL_FORM = RedFontForm.model_validate(
    FORM_LEAST | {"state": "04", "kind": "special", "buyer_tax_id": BUYER.tax_id, "confirmed_at": DUE[0]}
)
CREDIT = {
    "credit_note_number": CREDIT_NOTE,
    "issued_on": date(2026, 2, 14),
    "form_number": FORM,
    "net_amount": NET,
    "tax_amount": TAX,
}
ASKED = {"invoice_number": NUMBER, "return_id": "return-1", "attempt": 1}
ABOUT_FORM = ASKED | {"kind": "general", "seller_tax_id": SELLER.tax_id, "net_amount": NET, "tax_amount": TAX}
REQUESTED = {
    "return_id": "return-1",
    "route": "simple",
    "posting_status": "unknown",
    "due_earliest": DUE[0],
    "due_latest": DUE[1],
    "calendar": Calendar(version="chinesecalendar 1.11.0", provisional=False),
}
REVISED = {
    "due_earliest": DUE[0],
    "due_latest": DUE[1],
    "calendar": Calendar(version="State Council 2026-11", provisional=False),
}
FORM_ROUTE = {
    "route": "form",
    "posting_status": "recorded",
    "reason": "wrong_amount",
    "remarks": f"请冲红 {NUMBER}",
    "red_font_form_number": FORM,
}
ERASED = {"reason": "retention over", "requested_by": "records-office"}
SEALED = (
    "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIiwia2lkIjoiMjYzMTIwMDAwMDAwMDAwMDAwMDEifQ..CzNlkGaPhtGX6OfT.jSe"
    "7GwQWBCDDoHqxw7hiKVFLcFPWv_BtiJ9AenAQ4i8LRga4qFXCiW2iZ-vCX3DLVCLHmZLBetkGHQx_eF-HMQ6P_h9kVsM0uUqRKvh"
    "5sISwqR5yOGN4pQlR0cHF2irjmhaRa__mu1qC6sA71BsQ8S8fkQCbzb0Y0SwRqBN293TYk4FEltXie72wtIDqFb7ZmSVU6uZW1vG"
    "s0YIt_T8-nbceu2XSVaf4MgRyoNUKHO8Jn20Ior8DdazMA49Io_ub4IzBhOhuqkcczWbMIM7xmZr8V5R9REjisOCqjhgjg-omeld"
    "_xMOy.40draF6JKJw_3WHwmSoojw"
)
"""The texts of an invoice, sealed under the key of bytes 0 to 31."""
SEALED_ISSUED = {
    "seller": SELLER.but(name="[sealed]"),
    "buyer": BUYER.but(name="[sealed]"),
    "charges": (CHARGES[0].but(description="[sealed]"), CHARGES[1]),
    "remarks": "[sealed]",
    "replaces": ISSUED_MORE["replaces"],
    "documents": tuple(document.but(url="https://sealed.invalid/") for document in DOCUMENTS),
    "sealed": SEALED,
}
WAITS = {
    "command_id": "command-1",
    "command_source": "urn:example:portal",
    "command_type": "redletter.invoice.CancelReturn.v1",
    "invoice_number": NUMBER,
    "place": 1,
}
REPLY = {"command_id": "command-1", "command_source": "urn:example:portal"}
STATUS = OWN | {
    "status": Status(code="issued", label="Issued"),
    "return_complete": False,
    "original_void": False,
    "posting_status": "unknown",
    "actions": ("details", "return"),
    "version": 1,
    "as_of": AT,
}
STATUS_MORE = {
    "return": ReturnProgress(
        return_id="return-1",
        route="form",
        phase="refused",
        due_earliest=DUE[0],
        due_latest=DUE[1],
        overdue=True,
        attempts=2,
    ),
    "last_refusal": LastRefusal(code="RED_FONT_FORM_EXPIRED", details={"state": "07"}, form_number=FORM, at=AT),
    "credit_note_number": CREDIT_NOTE,
    "replacement_numbers": (REPLACEMENT,),
}


def _two(
    type_: type[Message], least: Mapping[str, object], more: Mapping[str, object] | None = None
) -> dict[str, Message]:
    """Make one with the fewest fields and, where there is more to say, one with all."""
    made = {"least": type_.model_validate(least)}
    return made | ({"full": type_.model_validate({**least, **more})} if more else {})


MESSAGES: dict[str, dict[str, Message]] = {
    "RegisterInvoice.v1": _two(commands.RegisterInvoice, OWN | ISSUED, ISSUED_MORE),
    "RefuseReissue.v1": _two(
        commands.RefuseReissue, {"invoice_number": NUMBER, "reissue_id": "reissue-1", "reason": "account closed"}
    ),
    "EraseInvoice.v1": _two(commands.EraseInvoice, {"invoice_number": NUMBER, **ERASED}),
    "RequestReturn.v1": _two(
        commands.RequestReturn,
        OWN,
        {
            "posting_status": "recorded",
            "red_font_form_number": FORM,
            "reason": "wrong_title_or_tax_id",
            "remarks": f"请冲红 {NUMBER}",
            "requested_by": "clerk-7",
        },
    ),
    "RequestReissue.v1": _two(
        commands.RequestReissue,
        OWN | {"charge_ids": ("charge-1",)},
        {"kind": "general", "buyer": ANYBODY, "remarks": "soon", "requested_by": "clerk-7"},
    ),
    "CancelReturn.v1": _two(commands.CancelReturn, OWN, {"requested_by": "clerk-7"}),
    "AmendInvoice.v1": _two(
        commands.AmendInvoice,
        OWN | {"changes": {"lines": [1, None, {"a": True}], "remarks": "more"}},
        {"requested_by": "clerk-7"},
    ),
    "RecordPostingStatus.v1": _two(
        commands.RecordPostingStatus, {"invoice_number": NUMBER, "posting_status": "recorded", "observed_at": AT}
    ),
    "ConfirmRedFontForm.v1": _two(
        commands.ConfirmRedFontForm,
        {"invoice_number": NUMBER, "form": LEAST_FORM},
        {"return_id": "return-1", "form": FULL_FORM},
    ),
    "RejectRedFontForm.v1": _two(
        commands.RejectRedFontForm, {"invoice_number": NUMBER}, {"return_id": "return-1", "form_number": FORM}
    ),
    "RecordCreditNote.v1": _two(
        commands.RecordCreditNote,
        {"invoice_number": NUMBER} | CREDIT,
        {"return_id": "return-1", "documents": DOCUMENTS},
    ),
    "CompleteReturn.v1": _two(commands.CompleteReturn, {"invoice_number": NUMBER, "credit_note_number": CREDIT_NOTE}),
    "ReportReversalFailure.v1": _two(
        commands.ReportReversalFailure,
        {"invoice_number": NUMBER, "return_id": "return-1", "permanent": False, "code": "PLATFORM_BUSY"},
        {"detail": "time-out after 30 s"},
    ),
    "MarkReturnOverdue.v1": _two(commands.MarkReturnOverdue, {"invoice_number": NUMBER, "return_id": "return-1"}),
    "ReviseDeadline.v1": _two(commands.ReviseDeadline, {"invoice_number": NUMBER, "return_id": "return-1", **REVISED}),
    "LinkReplacement.v1": _two(
        commands.LinkReplacement,
        {"invoice_number": NUMBER, "reissue_id": "reissue-1", "replacement_number": REPLACEMENT},
    ),
    "InvoiceIssued.v1": _two(invoice_events.InvoiceIssued, HAPPENED | ISSUED, ISSUED_MORE)
    | {"sealed": invoice_events.InvoiceIssued.model_validate(HAPPENED | ISSUED | SEALED_ISSUED)},
    "PostingStatusChanged.v1": _two(
        invoice_events.PostingStatusChanged,
        HAPPENED | {"previous": "unknown", "posting_status": "recorded", "observed_at": DUE[0]},
    ),
    "ReturnRequested.v1": _two(
        invoice_events.ReturnRequested, HAPPENED | REQUESTED, FORM_ROUTE | {"requested_by": "clerk-7"}
    ),
    "RedFontFormConfirmed.v1": _two(
        invoice_events.RedFontFormConfirmed,
        HAPPENED | {"return_id": "return-1", "form": LEAST_FORM},
        {"form": FULL_FORM},
    ),
    "ReversalAttemptFailed.v1": _two(
        invoice_events.ReversalAttemptFailed,
        HAPPENED | {"return_id": "return-1", "attempt": 1, "code": "PLATFORM_BUSY", "retry_at": DUE[0]},
        {"detail": "time-out after 30 s"},
    ),
    "CreditNoteIssued.v1": _two(
        invoice_events.CreditNoteIssued,
        HAPPENED | CREDIT | {"return_id": "return-1", "released_charge_ids": ("charge-1", "charge-2")},
        {"documents": DOCUMENTS},
    ),
    "InvoiceReturned.v1": _two(
        invoice_events.InvoiceReturned,
        HAPPENED | {"return_id": "return-1", "credit_note_number": CREDIT_NOTE, "business_days_used": 1},
    ),
    "ReturnRefused.v1": _two(
        invoice_events.ReturnRefused,
        HAPPENED | {"return_id": "return-1", "code": "PLATFORM_REFUSED", "message": "Ask.", "details": {}},
        {"details": {"state": "07"}, "form_number": FORM, "form_state": "07"},
    ),
    "ReturnDeadlineRevised.v1": _two(
        invoice_events.ReturnDeadlineRevised, HAPPENED | {"return_id": "return-1", **REVISED}
    ),
    "ReturnOverdue.v1": _two(invoice_events.ReturnOverdue, HAPPENED | {"return_id": "return-1", "due_latest": DUE[1]}),
    "ReissueRequested.v1": _two(
        invoice_events.ReissueRequested,
        HAPPENED
        | {
            "reissue_id": "reissue-1",
            "charge_ids": ("charge-1",),
            "amount": Decimal("110.00"),
            "kind": "special",
            "buyer": BUYER,
        },
        {"buyer": ANYBODY, "remarks": "soon", "requested_by": "clerk-7"},
    ),
    "ReissueRefused.v1": _two(
        invoice_events.ReissueRefused,
        HAPPENED | {"reissue_id": "reissue-1", "reason": "closed", "charge_ids": ("charge-1",)},
    ),
    "ReplacementIssued.v1": _two(
        invoice_events.ReplacementIssued,
        HAPPENED | {"reissue_id": "reissue-1", "replacement_number": REPLACEMENT, "charge_ids": ("charge-1",)},
    ),
    "PersonalDataErased.v1": _two(invoice_events.PersonalDataErased, HAPPENED | ERASED),
    "CommandAccepted.v1": _two(
        CommandAccepted,
        REPLY
        | {
            "command_type": "redletter.invoice.CancelReturn.v1",
            "invoice_number": NUMBER,
            "invoice_version": 2,
            "events": (),
            "status": "return_in_progress",
        },
        {
            "events": (EventReference(id=f"{NUMBER}-2", type="redletter.invoice.ReturnRequested.v1"),),
            "replayed": True,
        },
    ),
    "CommandRefused.v1": _two(
        CommandRefused,
        REPLY | {"command_type": "", "code": "MALFORMED_COMMAND", "message": "No.", "details": {}},
        {
            "command_type": "redletter.invoice.CancelReturn.v1",
            "invoice_number": NUMBER,
            "invoice_version": 2,
            "details": {"faults": [{"field": "data", "message": "is missing"}]},
            "replayed": True,
        },
    ),
    "CommandParked.v1": _two(
        CommandParked, WAITS | {"reason": "INTERNAL_FAULT"}, {"place": 2, "reason": "INVOICE_PARKED"}
    ),
    "CommandReleased.v1": _two(CommandReleased, WAITS, {"discarded": "the account is closed"}),
    "VerifyRedFontForm.v1": _two(
        VerifyRedFontForm,
        ABOUT_FORM | {"request_id": "return-1-VerifyRedFontForm", "form_number": FORM},
        {"kind": "special", "buyer_tax_id": BUYER.tax_id},
    ),
    "OpenRedFontForm.v1": _two(
        OpenRedFontForm, ABOUT_FORM | {"request_id": "return-1-OpenRedFontForm"}, {"buyer_tax_id": BUYER.tax_id}
    ),
    "IssueCreditNote.v1": _two(
        IssueCreditNote,
        ASKED | {"request_id": "return-1-IssueCreditNote", "form_number": FORM, "net_amount": NET, "tax_amount": TAX},
    ),
    "VerifyReversal.v1": _two(
        VerifyReversal, ASKED | {"request_id": "return-1-VerifyReversal", "credit_note_number": CREDIT_NOTE}
    ),
    "InvoiceStatus.v1": _two(InvoiceStatus, STATUS, STATUS_MORE),
}
