"""What claims pay by plan, against figures worked out by hand and a loop over single months."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xlkmv.deal.plan.claims import planned_claims
from xlkmv.deal.terms import (
    Controls,
    Covenant,
    Curve,
    Deal,
    Loans,
    Pool,
    Terms,
    Tranche,
    months_after,
    payment_dates,
)

CLOSING = dt.date(2020, 1, 15)
HOLIDAY = dt.date(2020, 1, 31)


def close(a, b):
    np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-9)


def pool(rows, dates, schedule=None):
    """Rows of loan terms; None is a row with the schedule that is given."""
    m, n = len(rows), len(dates)
    money = np.zeros((m, n))
    if schedule is not None:
        money[[i for i, row in enumerate(rows) if row is None]] = schedule
    given = [row or {} for row in rows]

    def column(name, blank):
        return [row.get(name, blank) for row in given]

    loans = Loans(
        np.array(column("term", np.nan)),
        np.array(column("rate", 0.0)),
        tuple(column("amortisation", "annuity")),
        np.array(column("interest_only", 0.0)),
        tuple(column("first", None)),
        np.array(column("payments_per_year", 12.0)),
        np.array(column("age", 0.0)),
        tuple(column("base", "")),
        np.array(column("margin", 0.0)),
    )
    names = tuple(f"Claim {i}" for i in range(m))
    amount = [row.get("amount", 100.0) for row in given]
    return Pool(names, amount, money, 0.1, 0.4, 0.0, 0.2, loans=loans if any(rows) else None)


def planned(claims, dates, closing=CLOSING, note=None, **terms):
    note = note or Tranche("A", 1, 50.0, 0.0, "pass-through")
    return planned_claims(Deal(claims, (note,), Terms(closing, dates, **terms)))


# ------------------------------------------------------------------------------- worked by hand


def test_a_plan_that_does_not_ask_keeps_its_schedule():
    dates = payment_dates(CLOSING, "year", 2)
    claims = pool([None], dates, [[60.0, 55.0]])
    note = Tranche("A", 1, 50.0, 0.0, "bullet", dates[1])
    same = planned(claims, dates, note=note)
    assert same.pool is claims and same.purchases is None
    # 10 % a year of what remains: 60 and 5.5; .9 of 55.
    early = planned(claims, dates, note=note, prepayment=0.1)
    close(early.pool.schedule, [[65.5, 49.5]])
    # The claim yields 10 % a year, so 50 of it are left after the first date, and .9 of them did not prepay.
    close(early.pool.balance, [[45.0, 0.0]])


@pytest.mark.parametrize(
    "asks",
    [
        {"note": Tranche("A", 1, 50.0, 0.0, "pass-through")},
        {"fee_base": "pool"},
        {"cleanup": 0.1},
        {"revolving": dt.date(2020, 3, 1)},
        {"accounts": "two"},
        {"prepayment": 0.1, "prepayment_type": "CPR"},
        {"default_timing": "loss curve", "loss_curve": (0.01,)},
        {"controls": Controls(reserve_unit="of pool", reserve_size=0.1)},
        {"covenants": (Covenant("c", "pool factor", "min", 0.1),)},
        {"covenants": (Covenant("c", "overcollateralisation", "min", 0.1),)},
    ],
    ids=str,
)
def test_interest_and_principal_are_apart_where_a_term_asks(asks):
    dates = payment_dates(CLOSING, "year", 2)
    claims = pool([None], dates, [[60.0, 60.0]])
    note = asks.pop("note", Tranche("A", 1, 50.0, 0.0, "bullet", dates[1]))
    parts = {name: asks.pop(name) for name in ("controls", "covenants") if name in asks}
    found = planned_claims(Deal(claims, (note,), Terms(CLOSING, dates, **asks), **parts)).pool
    assert found.interest is not None and found.balance is not None and found.claim is None
    close(found.interest + np.diff(-found.balance, prepend=-100.0), found.schedule)


def test_a_schedule_is_split_at_its_own_yield():
    dates = payment_dates(CLOSING, "year", 2)
    # 100 (1 + i)^2 = 60 (1 + i) + 60 at i = 13.0662386 %: interest 13.066 on 100, 6.934 on 53.066.
    found = planned(pool([None], dates, [[60.0, 60.0]]), dates).pool
    i = (60.0 + np.sqrt(60.0**2 + 4 * 100.0 * 60.0)) / 200.0 - 1.0
    close(found.interest, [[100.0 * i, (100.0 * (1 + i) - 60.0) * i]])
    close(found.balance, [[100.0 * (1 + i) - 60.0, 0.0]])
    # No more than the amount: no interest, and the balance is what is still scheduled.
    poor = planned(pool([None], dates, [[60.0, 30.0]]), dates).pool
    close(poor.interest, [[0.0, 0.0]])
    close(poor.balance, [[30.0, 0.0]])


def test_loans_and_schedules_stand_side_by_side():
    dates = payment_dates(CLOSING, "year", 2)
    loan = {"term": 24.0, "rate": 0.1, "payments_per_year": 1.0, "amount": 210.0}
    found = planned(pool([loan, None, loan | {"amortisation": "bullet"}], dates, [[60.0, 60.0]]), dates).pool
    # 210 at 10 % in two level payments: 121 each; 21 and 11 of interest.
    close(found.schedule, [[121.0, 121.0], [60.0, 60.0], [21.0, 231.0]])
    close(found.interest[[0, 2]], [[21.0, 11.0], [21.0, 21.0]])
    close(found.balance[[0, 2]], [[110.0, 0.0], [210.0, 0.0]])
    # A default is claimed at the balance of a loan, and at what is still scheduled.
    close(found.claim, [[210.0, 110.0], [120.0, 60.0], [210.0, 210.0]])
    alone = planned(pool([None], dates, [[60.0, 60.0]]), dates).pool
    np.testing.assert_array_equal(found.interest[1], alone.interest[0])


def test_amortisation_types_by_hand():
    dates = payment_dates(CLOSING, "year", 4)
    base = {"term": 48.0, "payments_per_year": 1.0, "rate": 0.1}
    rows = [
        base | {"amortisation": "linear"},
        base | {"amortisation": "bullet"},
        base | {"amortisation": "interest-only", "interest_only": 24.0},
        base | {"amortisation": "annuity", "rate": 0.0},
    ]
    found = planned(pool(rows, dates), dates).pool
    # Interest alone for two years, then 100 in two payments of 57.619...: 10 and 5.238 of interest.
    level = 100.0 * 0.1 / (1.0 - 1.1**-2)
    close(
        found.schedule,
        [[35.0, 32.5, 30.0, 27.5], [10.0, 10.0, 10.0, 110.0], [10.0, 10.0, level, level], [25.0] * 4],
    )
    close(found.balance[2], [100.0, 100.0, 110.0 - level, 0.0])


def test_monthly_loans_are_collected_by_quarter():
    dates = payment_dates(CLOSING, "quarter", 2)
    row = {"term": 6.0, "rate": 0.12, "amortisation": "linear", "amount": 60.0}
    found = planned(pool([row], dates), dates).pool
    # 10 a month; interest of 1 % on 60, 50, 40 | 30, 20, 10.
    close(found.schedule, [[31.5, 30.6]])
    close(found.interest, [[1.5, 0.6]])
    close(found.balance, [[30.0, 0.0]])


def test_what_falls_due_after_the_last_date_is_lost_to_the_plan():
    dates = payment_dates(CLOSING, "quarter", 2)
    row = {"term": 12.0, "amortisation": "linear", "amount": 120.0}
    found = planned(pool([row], dates), dates).pool
    close(found.schedule, [[30.0, 30.0]])
    close(found.balance, [[90.0, 60.0]])


def test_first_payment_dates():
    dates = payment_dates(CLOSING, "month", 4)
    row = {"term": 2.0, "amortisation": "linear", "amount": 20.0, "rate": 0.12}
    days = [None, dt.date(2020, 2, 15), dt.date(2020, 2, 16), dt.date(2020, 4, 1)]
    found = planned(pool([row | {"first": day} for day in days], dates), dates).pool
    # Blank: a period after closing. What falls due within a month is paid at its end; the first payment,
    # too, brings interest of a whole period.
    close(found.schedule, [[10.2, 10.1, 0, 0], [10.2, 10.1, 0, 0], [0, 10.2, 10.1, 0], [0, 0, 10.2, 10.1]])
    close(found.balance[3], [20.0, 20.0, 10.0, 0.0])


def test_an_instalment_is_collected_on_the_first_date_from_its_day_on():
    """Closing on the 20th, notes on the 15th, instalments on the 1st, and on others."""
    closing = dt.date(2025, 1, 20)
    dates = payment_dates(closing, "month", 4, dt.date(2025, 2, 15))
    row = {"term": 3.0, "amortisation": "linear", "amount": 30.0, "rate": 0.12}
    days = [dt.date(2025, 2, day) for day in (1, 15, 16, 25)]
    days += [dt.date(2025, 1, 31), dt.date(2025, 4, 1), None]
    found = planned(pool([row | {"first": day} for day in days], dates), dates, closing).pool
    a, b, c = 10.3, 10.2, 10.1
    now, later = [a, b, c, 0.0], [0.0, a, b, c]
    # The last one has no day of its own: a month after closing, 20 February.
    close(found.schedule, [now, now, later, later, now, [0.0, 0.0, a, b], later])
    close(found.balance[:2], [[20.0, 10.0, 0.0, 0.0]] * 2)


def test_months_of_prepayment_end_with_the_instalments():
    closing, first = dt.date(2025, 1, 20), dt.date(2025, 2, 1)
    dates = payment_dates(closing, "month", 3, dt.date(2025, 2, 15))
    row = {"term": 3.0, "amortisation": "bullet", "first": first}
    found = planned(pool([row], dates), dates, closing, prepayment=0.12, prepayment_type="CPR").pool
    close(found.balance, [[100.0 * 0.88 ** (1 / 12), 100.0 * 0.88 ** (2 / 12), 0.0]])
    vector = {"prepayment_type": "vector", "prepayment_vector": (0.12, 0.0)}
    close(
        planned(pool([row], dates), dates, closing, **vector).pool.balance[0, :2],
        [100 * 0.88 ** (1 / 12)] * 2,
    )


def test_a_rate_is_set_when_the_loans_own_period_begins():
    closing, first = dt.date(2025, 1, 20), dt.date(2025, 2, 1)
    dates = payment_dates(closing, "month", 3, dt.date(2025, 2, 15))
    curve = Curve("base", (closing, dt.date(2025, 2, 10), dt.date(2025, 3, 1)), (0.012, 0.024, 0.036))
    row = {"term": 3.0, "amortisation": "bullet", "base": "base"}
    found = planned(pool([row | {"first": first}, row], dates), dates, closing, curves=(curve,)).pool
    # From closing, 1 February and 1 March on; and from closing and 20 February on.
    close(found.interest, [[0.1, 0.1, 0.3], [0.0, 0.1, 0.2]])


def test_a_closing_at_the_end_of_february():
    """Instalments on the 31st: the first one after closing is that of March."""
    closing = dt.date(2025, 2, 28)
    dates = payment_dates(closing, "month", 2, dt.date(2025, 3, 31))
    row = {"term": 2.0, "amortisation": "linear", "first": dt.date(2025, 3, 31)}
    found = planned(pool([row], dates), dates, closing, prepayment=0.12, prepayment_type="CPR").pool
    close(found.balance, [[50.0 * 0.88 ** (1 / 12), 0.0]])


def test_floating_claims_follow_their_curve():
    dates = payment_dates(CLOSING, "year", 3)
    curve = Curve("base", (CLOSING, dt.date(2021, 1, 15), dt.date(2022, 6, 1)), (0.01, 0.04, 0.09))
    row = {"term": 36.0, "payments_per_year": 1.0, "amortisation": "bullet", "base": "base", "margin": 0.02}
    found = planned(pool([row, row | {"margin": -0.03}], dates), dates, curves=(curve,)).pool
    # Set at the start of each year; base plus margin is never below 0.
    close(found.interest, [[3.0, 6.0, 6.0], [0.0, 1.0, 1.0]])


# --------------------------------------------------------------------------------- prepayments


def test_prepayment_of_loans_by_hand():
    dates = payment_dates(CLOSING, "month", 3)
    row = {"term": 3.0, "amortisation": "bullet", "amount": 100.0, "age": 28.0}

    def balance(**terms):
        return planned(pool([row], dates), dates, **terms).pool.balance[0, :2]

    # CPR 12 %: (1 - .12)^(1/12) a month.
    close(balance(prepayment=0.12, prepayment_type="CPR"), [100 * 0.88 ** (1 / 12), 100 * 0.88 ** (2 / 12)])
    # 200 PSA of a loan of 28 months: 2 x .2 % x 29, then 2 x 6 %.
    first = (1 - 0.116) ** (1 / 12)
    close(balance(prepayment=2.0, prepayment_type="PSA"), [100 * first, 100 * first * 0.88 ** (1 / 12)])
    # ABS 2 %: of 100 at the start 44, then 42, then 40 would be left after 28, 29 and 30 months.
    close(balance(prepayment=0.02, prepayment_type="ABS"), [100 * 42 / 44, 100 * 40 / 44])
    # By period: 12 %, then 0.
    vector = balance(prepayment_type="vector", prepayment_vector=(0.12, 0.0))
    close(vector, [100 * 0.88 ** (1 / 12)] * 2)


@pytest.mark.parametrize(
    "terms",
    [
        {"prepayment": 0.2, "prepayment_type": "CPR"},
        {"prepayment": 1.65, "prepayment_type": "PSA"},
        {"prepayment": 0.015, "prepayment_type": "ABS"},
        {"prepayment_type": "vector", "prepayment_vector": (0.3, 0.0, 0.1)},
    ],
    ids=lambda t: t["prepayment_type"],
)
def test_a_schedule_prepays_like_a_loan_of_the_same_cash(terms):
    """Monthly dates: what is left after a payment prepays at the speed of the month."""
    dates = payment_dates(CLOSING, "month", 12)
    row = {"term": 12.0, "rate": 0.08, "amortisation": "linear"}
    loan = planned(pool([row], dates), dates).pool
    typed = replace(pool([None], dates, loan.schedule), interest=loan.interest, balance=loan.balance)
    a, b = planned(pool([row], dates), dates, **terms).pool, planned(typed, dates, **terms).pool
    for name in ("schedule", "interest", "balance"):
        close(getattr(a, name), getattr(b, name))
    assert a.balance[0, 3] < loan.balance[0, 3]
    # All of the principal comes, earlier.
    close((a.schedule - a.interest).sum(), 100.0)


def test_quarterly_schedules_prepay_by_the_months_of_the_quarter():
    dates = payment_dates(CLOSING, "quarter", 2)
    found = planned(pool([None], dates, [[50.0, 50.0]]), dates, prepayment=0.12, prepayment_type="CPR").pool
    left = 0.88**0.25
    close(found.schedule, [[50.0 + (1 - left) * 50.0, left * 50.0]])
    close(found.balance, [[left * 50.0, 0.0]])


# ------------------------------------------------------------------------------ revolving pools


def test_principal_buys_claims_like_each_row():
    dates = payment_dates(CLOSING, "year", 4)
    row = {"term": 24.0, "payments_per_year": 1.0, "amortisation": "linear", "rate": 0.1}
    other = row | {"term": 12.0, "rate": 0.0}
    found = planned(pool([row, other], dates), dates, revolving=dates[1])
    # 50 buy; 50 + 25 buy; then 25 + 37.5 and 37.5. The other: 100, 100, and all of it on the third date.
    close(found.purchases, [[50.0, 75.0, 0.0, 0.0], [100.0, 100.0, 0.0, 0.0]])
    close(found.pool.interest[0], [10.0, 10.0, 10.0, 3.75])
    close(found.pool.schedule - found.pool.interest, [[0.0, 0.0, 62.5, 37.5], [0.0, 0.0, 100.0, 0.0]])
    close(found.pool.balance, [[100.0, 100.0, 37.5, 0.0], [100.0, 100.0, 0.0, 0.0]])
    close(found.pool.claim, [[100.0, 100.0, 100.0, 37.5], [100.0, 100.0, 100.0, 0.0]])
    # What was bought on the first date pays 25 + 5 and 100 on the second; on the third nothing else pays,
    # and 75 and 100 of the second date bring 37.5 + 7.5 and 100 of its 172.5.
    paid, worth, earned = found.unbought
    collected = found.pool.schedule.sum(axis=0) + found.purchases.sum(axis=0)
    close(paid[1] * collected[1], [30.0 + 100.0, 0, 0, 0, 0])
    close(paid[2], [1.0, (37.5 * 1.2 + 100.0) / 172.5, 0.0, 0.0, 0.0])
    close(worth[1], [1.0, 175.0 / 200.0, 0.0, 0.0, 0.0])
    # 5 of the second date's 10 of interest, 2.5 and 7.5 of the third's.
    close(earned[1:3], [[0.5, 0.0, 0.0, 0.0, 0.0], [1.0, 0.75, 0.0, 0.0, 0.0]])


def test_revolving_schedules_beside_loans_claim_what_they_have_still_to_pay():
    dates = payment_dates(CLOSING, "year", 4)
    row = {"term": 24.0, "payments_per_year": 1.0, "amortisation": "linear"}
    found = planned(pool([row, None], dates, [[50.0, 50.0, 0.0, 0.0]]), dates, revolving=dates[1]).pool
    close(found.schedule, [[0.0, 0.0, 62.5, 37.5]] * 2)
    close(found.claim, [[100.0, 100.0, 100.0, 37.5]] * 2)


@pytest.mark.parametrize("months", [1, 3, 6])
@pytest.mark.parametrize("first", [None, dt.date(2020, 2, 1), dt.date(2020, 1, 20)])
def test_interest_is_level_while_a_pool_revolves(months, first):
    """12 % of ten million, which stay invested: 100,000 a month, however long the first period."""
    dates = payment_dates(CLOSING, "month", 48, months_after(CLOSING, months))
    row = {"term": 36.0, "rate": 0.12, "amount": 1e7, "first": first}
    found = planned(pool([row], dates), dates, revolving=dates[23])
    close(found.pool.interest[0, 1:24], 1e5)
    close(found.pool.balance[0, :24], 1e7)


def test_interest_is_level_after_a_first_period_of_some_days():
    dates = payment_dates(CLOSING, "month", 48, dt.date(2020, 1, 31))
    row = {"term": 36.0, "rate": 0.12, "amount": 1e7}
    found = planned(pool([row], dates), dates, revolving=dates[23]).pool
    close(found.interest[0, :24], [0.0, *[1e5] * 23])


def test_a_schedule_buys_by_time_gone_by():
    """Three months, then monthly: what is bought pays in a month a third of what the three brought."""
    dates = payment_dates(CLOSING, "month", 3, months_after(CLOSING, 3))
    found = planned(pool([None], dates, [[60.0, 20.0, 20.0]]), dates, revolving=dates[0])
    close(found.purchases, [[60.0, 0.0, 0.0]])
    close(found.pool.schedule, [[0.0, 20.0 + 60.0 * 0.2, 20.0 + 60.0 * 0.2]])
    close(found.pool.balance, [[100.0, 68.0, 36.0]])
    # A holiday moves no cash.
    regular = payment_dates(CLOSING, "month", 3)
    odd = tuple(d + dt.timedelta(days=x) for d, x in zip(regular, (2, 0, 1), strict=True))
    a, b = (planned(pool([None], d, [[50.0, 30.0, 20.0]]), d, revolving=d[1]) for d in (odd, regular))
    np.testing.assert_array_equal(a.purchases, b.purchases)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_each_purchase_is_a_loan_of_its_own(data):
    """On any calendar: what is bought on a date runs from then on like a new loan of the same terms."""
    closing = data.draw(st.sampled_from([CLOSING, HOLIDAY, dt.date(2020, 1, 20)]))
    every = data.draw(st.sampled_from(["month", "2 months", "quarter"]))
    opened = closing + dt.timedelta(data.draw(st.integers(1, 200)))
    dates = list(payment_dates(closing, every, data.draw(st.integers(2, 7)), opened))
    if data.draw(st.booleans()):
        dates = sorted({d + dt.timedelta(data.draw(st.integers(0, 25))) for d in dates})
    if len(dates) < 2:
        return
    row = data.draw(loans(dates, closing)) | {"base": "", "margin": 0.0}
    kind = data.draw(st.sampled_from(["of schedule", "PSA", "ABS"]))
    terms = {"prepayment_type": kind, "prepayment": {"PSA": 2.5, "ABS": 0.015}.get(kind, 0.0)}
    until = data.draw(st.integers(0, len(dates) - 2))
    found = planned(pool([row], tuple(dates)), tuple(dates), closing, revolving=dates[until], **terms)

    ends = month_ends(row["first"] or closing, closing, dates[-1] + dt.timedelta(1000))
    number = ends.index(row["first"]) if row["first"] else int(12 / row["payments_per_year"]) - 1
    runs, bought = [by_months(row, dates, closing, terms, None)], []
    for k, date in enumerate(dates):
        bought.append(sum(run[1][k] for run in runs) if k <= until else 0.0)
        if bought[-1] > 0.0:
            start = [end for end in ends if end > date][number]
            runs.append(by_months(row | {"amount": bought[-1], "first": start}, dates, date, terms, None))
    interest, principal, balance = (np.sum([run[x] for run in runs], axis=0) for x in range(3))
    close(found.purchases[0], bought)
    close(found.pool.interest[0], interest)
    close(found.pool.schedule[0] - found.pool.interest[0], principal - bought)
    close(found.pool.balance[0], balance)
    close(found.pool.balance[0, : until + 1], row["amount"])


# ----------------------------------------------------------------------------------- the slow twin


def month_ends(day, closing, last):
    """The day of each month, from the first one after closing to the first one not before the last date."""
    ends = [months_after(day, k) for k in range(-40, 200)]
    ends = [end for end in ends if end > closing]
    return ends[: 1 + next(k for k, end in enumerate(ends) if end >= last)]


def by_months(row, dates, closing, terms, curve):
    """One loan, month by month in plain numbers: interest, principal and balance by payment date."""
    # Months end on the day of the first payment, or of closing; the first one is the first after closing.
    ends = month_ends(row["first"] or closing, closing, max(dates[-1], row["first"] or closing))
    interval = int(12 / row["payments_per_year"])
    payments = int(row["term"]) // interval
    first = interval
    if row["first"] is not None:
        first = next((t for t, end in enumerate(ends, 1) if end >= row["first"]), len(ends) + 1)
    alone = int(row["interest_only"]) // interval if row["amortisation"] == "interest-only" else 0
    alone = payments - 1 if row["amortisation"] == "bullet" else alone
    interest, principal = ([0.0] * len(dates) for _ in range(2))
    balance = [row["amount"] if d >= closing else 0.0 for d in dates]
    left, alive, made = row["amount"], 1.0, 0  # of one that has not prepaid; share that has not
    for t, end in enumerate(ends, 1):
        since = (t - first) % interval
        run_up = interval if since == 0 else since
        run_up = 0 if t <= first - interval else run_up
        begun = max(t - max(run_up, 1), 0)
        rate = row["rate"]
        if row["base"]:
            day = closing if begun == 0 else ends[begun - 1]
            known = [r for d, r in zip(curve.dates, curve.rates, strict=True) if d <= day]
            rate = max((known[-1] if known else curve.rates[0]) + row["margin"], 0.0)
        per = rate * interval / 12
        due = t >= first and (t - first) % interval == 0
        paid_interest = left * rate * run_up / 12
        paid = 0.0
        if due and made < payments:
            made += 1
            count = payments - made + 1
            if count == 1:
                paid = left
            elif made <= alone:
                paid = 0.0
            elif row["amortisation"] == "linear":
                paid = left / count
            else:
                paid = left * per / ((1 + per) ** count - 1) if per > 0.0 else left / count
        after = left - paid
        smm = speed(terms, row["age"] + t, next((k for k, d in enumerate(dates) if d >= end), 0))
        gone = alive * smm
        k = next((k for k, d in enumerate(dates) if d >= end), None)
        if k is not None:
            # Between two payments interest is paid by those who go.
            interest[k] += (alive if due else gone) * paid_interest
            principal[k] += alive * paid + gone * after
        left, alive = after, alive - gone
        if k is not None:
            for later in range(k, len(dates)):
                balance[later] = alive * left
    return interest, principal, balance


def speed(terms, life, k):
    """Share of what is left that prepays in a month of life, collected on date k."""
    kind, speed = terms["prepayment_type"], terms["prepayment"]
    if kind == "vector":
        vector = terms["prepayment_vector"]
        return 1 - (1 - vector[min(k, len(vector) - 1)]) ** (1 / 12)
    if kind == "PSA":
        return 1 - (1 - min(speed * min(0.002 * life, 0.06), 1.0)) ** (1 / 12)
    if kind == "ABS":
        left = 1 - speed * (life - 1)
        return 1.0 if left <= speed else speed / left
    return 1 - (1 - speed) ** (1 / 12)


@st.composite
def loans(draw, dates, closing):
    often = draw(st.sampled_from([1, 2, 4, 6, 12]))
    payments = draw(st.integers(1, 8))
    term = payments * 12 // often
    alone = draw(st.integers(0, payments - 1)) * 12 // often
    kind = draw(st.sampled_from(["annuity", "linear", "bullet", *(["interest-only"] if alone else [])]))
    return {
        "amount": draw(st.floats(1.0, 500.0)),
        "term": float(term),
        "rate": draw(st.sampled_from([0.0, 0.03, 0.2])),
        "amortisation": kind,
        "interest_only": float(alone if kind == "interest-only" else 0),
        "first": draw(
            st.one_of(
                st.sampled_from([None, *dates[:2]]),
                st.integers(1, 100).map(lambda days: closing + dt.timedelta(days)),
            )
        ),
        "payments_per_year": float(often),
        "age": float(draw(st.integers(0, 60))),
    } | draw(
        st.sampled_from(
            [{"base": "", "margin": 0.0}, *({"base": "base", "margin": x} for x in (-0.03, 0.0, 0.02))]
        )
    )


@given(st.data())
@settings(max_examples=80, deadline=None)
def test_loans_are_what_a_loop_over_months_makes_them(data):
    closing = data.draw(st.sampled_from([CLOSING, HOLIDAY]))
    every = data.draw(st.sampled_from(["month", "2 months", "quarter", "half-year"]))
    dates = payment_dates(closing, every, data.draw(st.integers(2, 7)))
    shift = data.draw(st.integers(-14, 20))  # payment dates some days off the ends of the months
    dates = tuple(d + dt.timedelta(days=shift) for d in dates)
    rows = [data.draw(loans(dates, closing)) for _ in range(3)]
    kind = data.draw(st.sampled_from(["of schedule", "CPR", "PSA", "ABS", "vector"]))
    size = {"of schedule": 0.0, "CPR": 0.2, "PSA": 2.5, "ABS": 0.015, "vector": 0.0}[kind]
    terms = {"prepayment_type": kind, "prepayment": size, "prepayment_vector": (0.3, 0.05)}
    curve = Curve("base", (dt.date(2020, 2, 1), dt.date(2020, 7, 1)), (0.01, 0.06))
    found = planned(pool(rows, dates), dates, closing, curves=(curve,), **terms).pool
    for i, row in enumerate(rows):
        interest, principal, balance = by_months(row, dates, closing, terms, curve)
        close(found.interest[i], interest)
        close(found.schedule[i] - found.interest[i], principal)
        close(found.balance[i], balance)
