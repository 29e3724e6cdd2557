"""Operations on all that is stored about a person."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

from app.athletes.crud import AthletesCRUD
from app.core.access import Caller
from app.core.db.transactions import Runner, Transaction
from app.core.errors import Unavailable, WrongState
from app.identity.errors import LastAdmin
from app.identity.login.throttle import key_of_address
from app.privacy import rights
from app.privacy.queries import (
    data_query,
    erase_query,
    lock_accounts_query,
    lock_athlete_query,
    lock_codes_query,
    state_query,
)
from app.trainings.bookings import BookingsCRUD

ROUNDS = 10
"""How often bookings are cancelled, in case others book for the athlete at the same time."""


class PrivacyCRUD:
    """Reads all that is stored about a person, and erases it."""

    def __init__(self, database: Runner, caller: Caller) -> None:
        self._database = database
        self._caller = caller
        self._athletes = AthletesCRUD(database, caller)

    async def data(self, athlete_id: UUID) -> str:
        """Return all that is stored about an athlete as JSON.

        Raise ``NotFound`` or ``Forbidden``.
        """
        if not rights.READ_DATA.reach(self._caller).includes(athlete_id=athlete_id):
            await self._athletes.require(athlete_id)
            raise self._athletes.forbidden()
        row = await self._database.costly.row(data_query(), {"id": athlete_id})
        if row is None:
            raise AthletesCRUD.not_found()
        body: str = row["body"]
        return body

    async def erase(self, athlete_id: UUID) -> None:
        """Cancel the bookings of an athlete, and erase the person (idempotent).

        Raise ``NotFound``, ``Forbidden``, ``LastAdmin``, or ``Unavailable`` if others keep booking.
        """
        if not self._caller.is_admin:
            await self._athletes.require(athlete_id)
        # The right to erase reaches all bookings of the athlete, also those at other centres.
        bookings = BookingsCRUD(self._database, self._caller._replace(is_admin=True))

        async def work(transaction: Transaction) -> Sequence[UUID]:
            return await self._erased(transaction, athlete_id)

        for _ in range(ROUNDS):
            booking_ids = await self._database.transaction(work)
            if not booking_ids:
                return
            # Each in its own transaction: a cancellation locks the training before the athlete.
            for booking_id in booking_ids:
                with suppress(WrongState):  # the training has just started
                    await bookings.cancel(booking_id)
        raise Unavailable("Other requests keep booking for this athlete; try again.")

    async def _erased(self, transaction: Transaction, athlete_id: UUID) -> Sequence[UUID]:
        """Erase an athlete, or return the active bookings that prevent it.

        Lock order: accounts, codes, the athlete. No training is locked: a booking that waits for
        the athlete sees the erasure.
        """
        person = {"id": athlete_id}
        await transaction.rows(lock_accounts_query(), person)
        await transaction.rows(lock_codes_query(), person)
        athlete = await transaction.row(lock_athlete_query(), person)
        if athlete is None:
            raise AthletesCRUD.not_found()
        if athlete["erased_at"] is not None:
            return []
        # Again: another transaction may have linked an account before the athlete was locked.
        accounts = await transaction.rows(lock_accounts_query(), person)
        state = await transaction.row(state_query(), person)
        self._check_right(state, accounts)
        _refuse_last_admin(accounts)
        booking_ids: Sequence[UUID] = state["booking_ids"]
        if not booking_ids:
            theirs = [account["email_key"] for account in accounts if account["is_theirs"]]
            addresses = {address for address in (athlete["email_key"], *theirs) if address}
            limits = [key_of_address(address) for address in sorted(addresses)]
            await transaction.row(erase_query(), {**person, "limits": limits})
        return booking_ids

    def _check_right(self, state: Any, accounts: Sequence[Any]) -> None:
        """Raise ``Forbidden`` if the right of the caller does not reach all of the person."""
        reach = rights.ERASE.reach(self._caller)
        is_admin = any(one["is_theirs"] and one["is_enabled_admin"] for one in accounts)
        centres = [*state["centre_ids"], *state["staffed_ids"]]
        is_within = state["centre_ids"] and reach.centres.issuperset(centres) and not is_admin
        if not (reach.is_all or is_within):
            raise self._athletes.forbidden()


def _refuse_last_admin(accounts: Sequence[Any]) -> None:
    """Raise ``LastAdmin`` if the account of the athlete is the only enabled administrator."""
    admins = [account["is_theirs"] for account in accounts if account["is_enabled_admin"]]
    if admins == [True]:
        raise LastAdmin("This is the last administrator: make another one first.")
