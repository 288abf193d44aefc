"""Which claims a command bears on: they are loaded before it is decided."""

from dataclasses import dataclass
from typing import assert_never

from events.commands import (
    AmendInvoice,
    AnyCommand,
    CancelReturn,
    CompleteReturn,
    ConfirmRedFontForm,
    EraseInvoice,
    LinkReplacement,
    MarkReturnOverdue,
    RecordCreditNote,
    RecordPostingStatus,
    RefuseReissue,
    RegisterInvoice,
    RejectRedFontForm,
    ReportReversalFailure,
    RequestReissue,
    RequestReturn,
    ReviseDeadline,
)
from rules.numbers import fold_number, is_number
from service.invoice.claims import Claim, charge_claims, document_claim, form_claim


@dataclass(frozen=True, slots=True)
class Needed:
    """What a command bears on: claims, and holds as (number of the original, reissue_id).

    own: also the claims of its invoice, which it may free.
    """

    claims: frozenset[Claim] = frozenset()
    holds: frozenset[tuple[str, str]] = frozenset()
    own: bool = False


def needed_by(command: AnyCommand) -> Needed:  # noqa: PLR0911 - one case per command
    """Return the claims that must be loaded to decide a command."""
    match command:
        case RegisterInvoice():
            own = {document_claim(command.invoice_number)} | charge_claims(
                charge.charge_id for charge in command.charges
            )
            replaces = command.replaces
            return Needed(
                frozenset(own), frozenset({(replaces.invoice_number, replaces.reissue_id)} if replaces else ())
            )
        case RefuseReissue():
            return Needed(holds=frozenset({(command.invoice_number, command.reissue_id)}))
        case RequestReissue():
            return Needed(charge_claims(command.charge_ids))
        case ConfirmRedFontForm():
            return Needed(frozenset({form_claim(command.form.number)}), own=True)
        case RecordCreditNote():
            return Needed(frozenset({document_claim(command.credit_note_number)}), own=True)
        case RequestReturn():
            number = fold_number(command.red_font_form_number)
            return Needed(frozenset({form_claim(number)})) if is_number(number) else Needed()
        case RejectRedFontForm() | ReportReversalFailure():
            return Needed(own=True)
        case (
            CancelReturn()
            | AmendInvoice()
            | RecordPostingStatus()
            | CompleteReturn()
            | MarkReturnOverdue()
            | ReviseDeadline()
            | LinkReplacement()
            | EraseInvoice()
        ):
            return Needed()
        case _:
            assert_never(command)
