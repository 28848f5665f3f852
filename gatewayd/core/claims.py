"""Which of the claims on an attempt is verified: what a browser brought, or what the bank itself says that it goes by.

A browser may bring another payment's reference. What the bank names when it is asked by the attempt's token is the
attempt's own.
"""

from gatewayd.core.terms import Claim, CodeClass


def named_by_bank(
    claim: Claim | None, waiting: tuple[Claim, ...], reference: str | None, *, taken: bool
) -> tuple[Claim | None, tuple[Claim, ...]]:
    """The claim to verify and those that wait, after the bank named `reference`, if it did.

    `taken`: the attempt holds the present claim's reference, which has to be judged first then.
    """
    if not reference or (claim is not None and claim.reference == reference):
        return claim, waiting
    named = Claim(outcome=CodeClass.OK, reference=reference)
    if claim is None or not taken:
        return named, waiting
    if any(each.reference == reference for each in waiting):
        return claim, waiting
    return claim, (*waiting, named)
