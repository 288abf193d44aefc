"""Every refusal of a command, in one table. Codes are stable; sentences are not."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from events.codes import Code

Mender = Literal["sender", "customer", "finance department", "operator", "nobody"]
"""Who can do something about a refusal. sender: the program that sent the command. nobody: it is as it should be."""


@dataclass(frozen=True, slots=True)
class RefusalKind:
    """What is the same for every refusal with a code.

    sentence: what is wrong and what to do, with the facts to be filled in.
    mended_by: who can do something about it. facts: what details may hold; of a field's fault, beside code, field and
    message. retry: the same command may be accepted later, with nothing changed in it.
    tells_version: the reply carries the invoice's version, if the invoice is the caller's.
    """

    sentence: str
    mended_by: Mender
    facts: tuple[str, ...] = ()
    retry: bool = False
    tells_version: bool = True


KINDS: Mapping[Code, RefusalKind] = {
    "WRONG_CHANNEL": RefusalKind(
        "This command is only taken from the topic {expected}.",
        tells_version=False,
        mended_by="sender",
        facts=("expected", "topic"),
    ),
    "IDEMPOTENCY_KEY_REUSED": RefusalKind(
        "The id {id} was used for another command. Send this one under an id of its own.",
        tells_version=False,
        mended_by="sender",
        facts=("id", "source"),
    ),
    "MALFORMED_COMMAND": RefusalKind(
        "The command is malformed: {said}. Correct it and send it again.",
        tells_version=False,
        mended_by="sender",
        facts=("faults",),
    ),
    "INTERNAL_FAULT": RefusalKind(
        "Redletter failed to decide this command, and nothing changed. Send it again later.",
        tells_version=False,
        mended_by="operator",
        retry=True,
    ),
    "INVOICE_PARKED": RefusalKind(
        "Redletter failed to decide an earlier command of this invoice, and no more commands can wait for that to be "
        "put right: {commands} do. Send this one again later.",
        tells_version=False,
        mended_by="operator",
        facts=("commands",),
        retry=True,
    ),
    "INVOICE_NOT_FOUND": RefusalKind(
        "There is no such invoice in this account. Check the number and the account.",
        tells_version=False,
        mended_by="sender",
        facts=("invoice_number",),
        retry=True,
    ),
    "INVOICE_ALREADY_REGISTERED": RefusalKind(
        "The number {invoice_number} is already on record. Register each invoice once, under a number of its own.",
        mended_by="sender",
        facts=("invoice_number",),
    ),
    "NUMBER_YEAR_MISMATCH": RefusalKind(
        "The invoice number begins with {number_year}, but the invoice was issued on {issued_on}. The first two "
        "digits are the year of issue: correct one of them.",
        mended_by="sender",
        facts=("number_year", "issued_on"),
    ),
    "ISSUED_ON_IMPLAUSIBLE": RefusalKind(
        "An invoice is dated between {earliest}, when digital invoices began, and {latest}, not {issued_on}. "
        "Correct the date.",
        mended_by="sender",
        facts=("issued_on", "earliest", "latest"),
    ),
    "BUYER_TAX_ID_REQUIRED": RefusalKind(
        "A special invoice needs the buyer's tax id. Add it, or register a general invoice.",
        mended_by="sender",
    ),
    "AMOUNTS_DO_NOT_ADD_UP": RefusalKind(
        "Net and tax add up to {net_and_tax}, the charges to {charges}, and the total is {total}. All three must "
        "be equal: correct the amounts.",
        mended_by="sender",
        facts=("net_and_tax", "charges", "total"),
    ),
    "REISSUE_NOT_FOUND": RefusalKind(
        "The invoice {original_number} has no open reissue {reissue_id} for this account. It was never "
        "requested, was refused, or has been replaced: check which reissue you mean.",
        mended_by="sender",
        facts=("original_number", "reissue_id"),
    ),
    "REISSUE_CHARGES_MISMATCH": RefusalKind(
        "The new invoice must have exactly the charges of the reissue {reissue_id}; its amounts, kind and buyer "
        "may differ. Correct the charges.",
        mended_by="sender",
        facts=("reissue_id", "held_charge_ids"),
    ),
    "CHARGE_ALREADY_INVOICED": RefusalKind(
        "The charge {charge_id} already belongs to {said}. Leave it out, or return that invoice first. If this "
        "invoice is the replacement, name the reissue in replaces.",
        mended_by="sender",
        facts=("charge_id", "invoice_number", "reissue_id", "original_number"),
    ),
    "CHARGE_OF_ANOTHER_ACCOUNT": RefusalKind(
        "The charge {charge_id} was released from an invoice of another account. Invoice it to that account, or "
        "leave it out.",
        mended_by="sender",
        facts=("charge_id",),
    ),
    "OBSERVATION_IN_FUTURE": RefusalKind(
        "The posting status cannot have been observed at {observed_at}, later than {latest}. Correct the "
        "observer's clock and observe it again.",
        mended_by="sender",
        facts=("observed_at", "latest"),
    ),
    "STALE_OBSERVATION": RefusalKind(
        "The posting status on record was observed later, at {last_observed_at}. Observe it again and send the result.",
        mended_by="sender",
        facts=("expected", "last_observed_at"),
    ),
    "RETURN_ALREADY_IN_PROGRESS": RefusalKind(
        "A return of this invoice is in progress. Wait for it to complete; that takes 1 to 3 business days.",
        mended_by="nobody",
        facts=("return_id",),
    ),
    "INVOICE_ALREADY_REVERSED": RefusalKind(
        "A credit note has reversed this invoice, so it is void. Request a reissue of its charges instead.",
        mended_by="nobody",
    ),
    "RETURN_CANNOT_BE_CANCELLED": RefusalKind(
        "A submitted return cannot be cancelled. Wait for it to complete, then request a reissue.",
        mended_by="nobody",
        facts=("return_id",),
    ),
    "NO_RETURN_IN_PROGRESS": RefusalKind(
        "No such return of this invoice is in progress. Check the invoice's status.",
        mended_by="sender",
    ),
    "ISSUED_INVOICE_IMMUTABLE": RefusalKind(
        "An issued invoice can never be changed, and nothing can be added to its remarks. Request its return, "
        "and once it is reversed request a reissue with the right information.",
        mended_by="nobody",
    ),
    "POSTING_STATUS_UNKNOWN": RefusalKind(
        "It is not known whether the buyer has recorded this invoice, and that decides how it is returned. Ask "
        "your finance department, and try again when its posting status is on record.",
        mended_by="finance department",
        retry=True,
    ),
    "POSTING_STATUS_MISMATCH": RefusalKind(
        "The posting status on record is {expected}, not {posting_status}. Look at the invoice again and return "
        "it as it stands now.",
        mended_by="customer",
        facts=("expected", "posting_status"),
    ),
    "RED_FONT_FORM_NUMBER_REQUIRED": RefusalKind(
        "{said} Enter the number of the Red-font Invoice Information Confirmation Form that your finance "
        "department made in the e-tax system.",
        mended_by="finance department",
        facts=("policy",),
    ),
    "RED_FONT_FORM_NUMBER_MALFORMED": RefusalKind(
        "The number of a Red-font Invoice Information Confirmation Form has exactly 20 digits 0-9. Copy it from "
        "the form.",
        mended_by="customer",
    ),
    "RED_FONT_FORM_NOT_EXPECTED": RefusalKind(
        "{said} Leave out the number of the form.",
        mended_by="customer",
        facts=("policy",),
    ),
    "RETURN_REASON_REQUIRED": RefusalKind(
        "{said} Select a reason for the return.",
        mended_by="customer",
        facts=("policy",),
    ),
    "REMARKS_MISSING_ORIGINAL_NUMBER": RefusalKind(
        "{said} Write the original invoice number {expected} into the remarks, without a digit right before or "
        "after it.",
        mended_by="customer",
        facts=("expected", "policy"),
    ),
    "REMARKS_TOO_LONG": RefusalKind(
        "Remarks have at most {most} characters; these have {length}. Shorten them.",
        mended_by="customer",
        facts=("most", "length"),
    ),
    "RED_FONT_FORM_ALREADY_USED": RefusalKind(
        "The form {form_number} serves another invoice. Ask your finance department for the form that was made "
        "for this one.",
        mended_by="finance department",
        facts=("form_number", "invoice_number"),
    ),
    "RED_FONT_FORM_ALREADY_CONFIRMED": RefusalKind(
        "The form of this return, {confirmed}, is already confirmed. Continue with its credit note.",
        mended_by="sender",
        facts=("confirmed",),
    ),
    "RED_FONT_FORM_NUMBER_MISMATCH": RefusalKind(
        "This return uses the form {expected}, not {form_number}. Send the message for form {expected}.",
        mended_by="sender",
        facts=("expected", "form_number"),
    ),
    "CREDIT_NOTE_BEFORE_CONFIRMATION": RefusalKind(
        "The form of this return is not confirmed yet. Confirm it, then record the credit note again.",
        mended_by="sender",
        retry=True,
    ),
    "CREDIT_NOTE_NUMBER_MISMATCH": RefusalKind(
        "The credit note number {credit_note_number} does not belong to this return: {said}. Check the number in "
        "the tax system.",
        mended_by="sender",
        facts=("credit_note_number", "issued_on"),
    ),
    "CREDIT_NOTE_DATE_IMPLAUSIBLE": RefusalKind(
        "A credit note of this invoice is dated between {earliest} and {latest}, not {issued_on}. Check the date "
        "in the tax system.",
        mended_by="sender",
        facts=("issued_on", "earliest", "latest"),
    ),
    "CREDIT_NOTE_AMOUNT_MISMATCH": RefusalKind(
        "A credit note must reverse the full amount: {expected_net} net and {expected_tax} tax, not {net} and "
        "{tax}. This needs attention: check it in the tax system.",
        mended_by="sender",
        facts=("expected_net", "expected_tax", "net", "tax"),
    ),
    "RETURN_NOT_REVERSED": RefusalKind(
        "No credit note is recorded for this return yet. Record it, then complete the return again.",
        mended_by="sender",
        retry=True,
    ),
    "RETURN_NOT_OVERDUE": RefusalKind(
        "This return is not due before {due_latest}. Send this again after that.",
        mended_by="nobody",
        facts=("due_latest",),
        retry=True,
    ),
    "ORIGINAL_NOT_RETURNED": RefusalKind(
        "This invoice has not been returned. Request its return first; its charges can be invoiced again once it "
        "is Reversed with credit note.",
        mended_by="customer",
        retry=True,
    ),
    "ORIGINAL_RETURN_NOT_COMPLETE": RefusalKind(
        "The return of this invoice is not complete. Wait until it is Reversed with credit note, then request "
        "the reissue again.",
        mended_by="nobody",
        retry=True,
    ),
    "NO_CHARGES_SELECTED": RefusalKind(
        "No charge is selected. Select at least one of the returned invoice's charges.",
        mended_by="customer",
    ),
    "CHARGE_NOT_ON_ORIGINAL": RefusalKind(
        "Some of the charges are not on this invoice. Select only its own charges.",
        mended_by="customer",
        facts=("charge_ids",),
    ),
    "CHARGE_ALREADY_REINVOICED": RefusalKind(
        "Some of the charges are already on a new invoice or have been requested. Leave them out. A charge of a "
        "replacement that was returned is reissued from that replacement.",
        mended_by="customer",
        facts=("charge_ids",),
    ),
    "NOTHING_TO_INVOICE": RefusalKind(
        "The selected charges add up to {amount}; a new invoice needs a positive amount. Select charges that add "
        "up to more.",
        mended_by="customer",
        facts=("amount",),
    ),
}
