"""The slow obvious twin of the waterfall: one path, date by date, in plain numbers.

Written from what the terms say, not from the engine: one unit of code per rule, no arrays. Of
the plan it takes the schedule of dues (worked out by hand in test_dues.py); the rest follows
from the deal.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from xlkmv.deal.plan.claims import planned_claims
from xlkmv.deal.terms import OC_ALL

# What is no more than this share of a class is paid.
DUST = 1e-12


@dataclass
class Path:
    """What happens to the pool and to the payer of the undertaking on one path, date by date."""

    cash: list[float]
    principal: list[float]
    balance: list[float]
    outstanding: list[float]
    purchases: list[float]
    alive: list[bool]
    default_ratio: list[float]
    largest_share: list[float]


@dataclass
class Money:
    """What is in the accounts of a date; with one account the principal account is the income account."""

    two: bool
    income: float
    capital: float = 0.0

    def take(self, amount: float, *accounts: str) -> float:
        """Take up to an amount from the accounts, in order; return what was taken."""
        taken = 0.0
        for account in accounts if self.two else accounts[:1]:
            name = account if self.two else "income"
            got = min(amount - taken, getattr(self, name))
            setattr(self, name, getattr(self, name) - got)
            taken += got
        return taken

    def pay(self, rows, due, paid, *accounts):
        """Pay what rows still miss, pari passu."""
        missing = {i: max(due[i] - paid[i], 0.0) for i in rows}
        total = sum(missing.values())
        if total > 0.0:
            got = self.take(total, *accounts)
            for i in rows:
                paid[i] += missing[i] * got / total


@dataclass
class Today:
    """What one date is about: balances before it, what is due, what principal is wanted, triggers."""

    balance: list[float]
    fees_due: float
    interest_due: list[float]
    due: list[float]
    wanted: list[float]
    trap: bool
    turbo: bool
    ordered: bool
    last: bool


class Revolving:
    """What claims that were not bought would have brought, as a share of all claims of the plan.

    Everything may come `delay` dates late, purchases too.
    """

    def __init__(self, deal, delay):
        self.delay = delay
        claims = planned_claims(deal)
        # A fee on the pool asks for its balance.
        terms = replace(deal.terms, revolving=None, fee_base="pool")
        alone = planned_claims(replace(deal, terms=terms)).pool
        bought, (m, n) = claims.purchases, alone.schedule.shape
        started = [alone.balance[i, 0] + alone.schedule[i, 0] - alone.interest[i, 0] for i in range(m)]

        def of(flow, k, j):
            """What claims bought on date j bring on date k, or are worth after it."""
            return sum(bought[i, j] * flow[i, k - j - 1] / started[i] for i in range(m) if started[i] > 0.0)

        self.paid = [[of(alone.schedule, k, j) for j in range(k)] for k in range(n)]
        # What is bought on a date is outstanding after it.
        self.worth = [[*(of(alone.balance, k, j) for j in range(k)), sum(bought[:, k])] for k in range(n)]
        self.earned = [[of(alone.interest, k, j) for j in range(k)] for k in range(n)]
        self.interest = [sum(claims.pool.interest[:, k]) for k in range(n)]
        self.collected = [sum(claims.pool.schedule[:, k]) + sum(bought[:, k]) for k in range(n)]
        self.balance = [sum(claims.pool.balance[:, k]) for k in range(n)]

    def missing(self, k, unbought):
        """Shares of the collections, of the balance and of the interest of date k that are missing."""
        k, unbought, shares = k - self.delay, [j - self.delay for j in unbought], []
        if k < 0:
            return 0.0, 0.0, 0.0
        tables = ((self.paid, self.collected), (self.worth, self.balance), (self.earned, self.interest))
        for each, total in ((part[k], whole[k]) for part, whole in tables):
            share = sum(each[j] for j in unbought if 0 <= j < len(each)) / total if total > 0.0 else 0.0
            shares.append(1.0 if share > 1.0 - 1e-12 else share)
        return shares


class Twin:
    """One plan; :meth:`run` pays a path."""

    def __init__(self, plan, deal, delay=0):
        self.plan, self.deal = plan, plan.deal
        self.terms, self.controls = plan.deal.terms, plan.deal.controls
        self.classes = self.deal.tranches
        self.rows = range(len(self.classes))
        self.n = len(self.terms.dates)
        self.years = [t - s for s, t in zip([0.0, *self.terms.times], self.terms.times, strict=False)]
        self.rank = [1 if not self.controls.subordination else t.rank for t in self.classes]
        marked = any(t.senior for t in self.classes)
        best = min(t.rank for t in self.classes)
        self.protected = [i for i, t in enumerate(self.classes) if (t.senior if marked else t.rank == best)]
        self.ranks = [[i for i in self.rows if self.rank[i] == r] for r in sorted(set(self.rank))]
        self.first = [r for r in self.ranks if any(i in self.protected for i in r)]
        self.later = [r for r in self.ranks if r not in self.first]
        self.shared = self.terms.principal == "pro rata" and len(self.ranks) > 1
        self.two = self.terms.accounts == "two"
        self.size = float(sum(self.deal.pool.amount))
        self.revolving = None if self.terms.revolving is None else Revolving(deal, delay)

    def notes(self):
        return sum(t.amount for t in self.classes)

    def legal_final(self, i):
        """First payment date not before the date by which a class has to be repaid."""
        t = self.classes[i]
        last = t.legal_final or (None if t.passes_through else t.maturity)
        return next((k for k, d in enumerate(self.terms.dates) if last and d >= last), self.n - 1)

    def coupon(self, i, k):
        t = self.classes[i]
        if not t.base:
            return t.coupon
        start = ([self.terms.closing, *self.terms.dates])[k]
        curve = next(c for c in self.terms.curves if c.name == t.base)
        base = [r for d, r in zip(curve.dates, curve.rates, strict=True) if d <= start]
        rate = (base[-1] if base else curve.rates[0]) + t.margin
        rate = rate if t.floor is None else max(rate, t.floor)
        rate = max(rate, 0.0)
        return rate if t.cap is None else min(rate, t.cap)

    def outstanding_by_plan(self, i, k):
        """What a class may still have outstanding after date k; passed through, all until the legal final."""
        if self.classes[i].passes_through:
            return self.classes[i].amount if k < self.legal_final(i) else 0.0
        left = float(self.plan.dues.opening[i, k] - self.plan.dues.principal[i, k])
        return left if left > 1e-9 * self.classes[i].amount else 0.0

    def reserve_size(self, pool):
        c = self.controls
        if not c.reserve:
            return 0.0
        if c.reserve_unit == "money":
            return c.reserve_size
        if c.reserve_unit == "of pool":
            return max(c.reserve_size * pool, c.reserve_floor * self.size)
        # Dues of the senior classes by the documents, whether or not they are subordinated.
        dues = replace(self.plan.dues, ranks=np.array([t.rank for t in self.classes]))
        return c.reserve_size * float(dues.ahead(self.protected[-1], expected=True)[0])

    def distributable(self, balance, due, pool, ordered):
        """Principal that pass-through classes want: by rank, or in proportion to what is outstanding."""
        target = self.terms.oc_target
        if target == OC_ALL:
            left = sum(balance)
        else:
            at_closing = max(1.0 - self.notes() / self.size, 0.0)
            share = at_closing if target is None else target
            oc = max(share * pool, self.terms.oc_floor * self.size)
            left = max(0.0, sum(balance) - max(0.0, pool - oc))
        through = [i for i in self.rows if self.classes[i].passes_through]
        left = max(left - sum(due[i] for i in self.rows if i not in through), 0.0)
        wanted = [0.0] * len(self.classes)
        together = self.terms.principal == "pro rata" and not ordered
        for rank in [through] if together else [[i for i in r if i in through] for r in self.ranks]:
            total = sum(balance[i] for i in rank)
            for i in rank:
                wanted[i] = balance[i] * min(left / total, 1.0) if total > 0.0 else 0.0
            left = max(left - total, 0.0)
        return wanted

    def metric(self, name, seen):
        if name == "coverage":
            return seen["got"] / seen["owed"] if seen["owed"] > 0.0 else math.inf
        if name == "period DSCR":
            return seen["cash"] / seen["due"] if seen["due"] > 0.0 else math.inf
        if name == "cumulative default ratio":
            return seen["ratio"]
        if name == "largest obligor share":
            return seen["share"]
        if name == "reserve ratio":
            open_ = sum(seen["balance"][i] for i in self.protected) > 0.0
            return seen["reserve"] / seen["target"] if seen["target"] > 0.0 and open_ else math.nan
        if name == "overcollateralisation":
            notes, claims = sum(seen["balance"]), seen["claims"]
            if claims <= 0.0 or notes <= 0.0:
                return math.nan
            return (claims - notes) / claims if abs(claims - notes) > 1e-12 * claims else 0.0
        assert name == "pool factor"
        return seen["pool"] / self.size

    def run(self, path):
        """Pay one path; a list of dicts, one per date, with the fields of a Payment."""
        balance = [t.amount for t in self.classes]
        arrears = [0.0] * len(balance)
        reserve = self.reserve_size(self.size) if self.controls.reserve_funding == "cash" else 0.0
        cap = self.controls.support_cap
        purse = math.inf if cap is None else cap
        if cap is not None and self.controls.support_cap_unit == "of notes":
            purse = cap * self.notes()
        account = saved = fee_arrears = got = owed = 0.0  # saved: principal in the account
        lacking = 0.0  # share of the pool that is not there as buying has ended
        before, called, ended, unbought = self.size, False, False, []
        switched = [False] * len(self.deal.covenants)
        of_period = self.plan.dues.ahead(self.protected[-1], expected=True)
        by_plan = self.plan.dues.ahead(self.protected[-1], expected=self.terms.default_point == "expected")
        out = []
        for k in range(self.n):
            last = k == self.n - 1
            cash, pool, claims = path.cash[k], path.balance[k], path.outstanding[k]
            bought_less = sale = less_interest = 0.0

            # Claims that were not bought since a trigger ended the revolving period are missing.
            if self.revolving is not None:
                claims *= 1.0 - lacking
                if ended:
                    unbought.append(k)
                    missing, lacking, unearned = self.revolving.missing(k, unbought)
                    less_interest = unearned * max(cash - path.principal[k], 0.0)
                    bought_less = path.purchases[k] - missing * (cash + path.purchases[k])
                    pool *= 1.0 - lacking
            cash += bought_less
            # After the call the pool is somebody else's.
            if called:
                sale, cash, pool, claims = -cash, 0.0, 0.0, 0.0

            # Tests, before anything is paid.
            got, owed = got + cash, owed + float(by_plan[k])
            seen = {
                "got": got,
                "owed": owed,
                "cash": cash,
                "due": float(of_period[k]),
                "ratio": path.default_ratio[k],
                "share": path.largest_share[k],
                "reserve": reserve,
                "target": self.reserve_size(pool),
                "balance": balance,
                "pool": pool,
                "claims": claims,
            }
            values = [math.nan if called else self.metric(c.metric, seen) for c in self.deal.covenants]
            fails = [
                v < c.threshold - 1e-12 * abs(c.threshold)
                if c.side == "min"
                else v > c.threshold + 1e-12 * abs(c.threshold)
                for v, c in zip(values, self.deal.covenants, strict=True)
            ]
            on = set()
            for c, covenant in enumerate(self.deal.covenants):
                switched[c] = fails[c] or (switched[c] and not self.terms.cure)
                if switched[c] and self.controls.triggers:
                    on.add(covenant.consequence)
            trap, turbo = "trap" in on, "turbo" in on
            ordered = bool(on & {"trap", "turbo", "sequential"})

            # The end of the revolving period: at once by a trigger.
            if self.revolving is not None and not ended:
                ended = bool(on & {"trap", "turbo", "amortise"}) or self.terms.dates[k] > self.terms.revolving
                if ended:
                    bought = 0.0 if called else path.purchases[k]
                    bought_less, cash, got = bought_less + bought, cash + bought, got + bought
                    unbought.append(k)
                    _, lacking, _ = self.revolving.missing(k, unbought)
                    pool *= 1.0 - lacking

            # What is due.
            base = sum(balance) if self.terms.fee_base == "notes" else before
            fees_due = fee_arrears
            if not called:
                fees_due += self.terms.fee_rate * self.years[k] * base
                fees_due += self.terms.fee_amount
            interest_due = []
            for i, t in enumerate(self.classes):
                bearing = balance[i] + (arrears[i] if t.deferrable else 0.0)
                interest_due.append(self.coupon(i, k) * self.years[k] * bearing + arrears[i])
            due = [max(balance[i] - self.outstanding_by_plan(i, k), 0.0) for i in self.rows]
            wanted = list(due)
            if self.revolving is None or ended:
                flows = self.distributable(balance, due, pool, ordered)
                wanted = [max(a, b) for a, b in zip(wanted, flows, strict=True)]
            if turbo:
                wanted = list(balance)

            # The clean-up call.
            in_hand = account + cash + reserve
            all_owed = sum(balance) + sum(interest_due) + fees_due
            alive_notes = any(balance[i] > DUST * t.amount for i, t in enumerate(self.classes))
            small = 0.0 < pool <= (self.terms.cleanup + 1e-9) * self.size
            if self.terms.cleanup > 0.0 and not called and small:
                called = alive_notes and pool + in_hand >= all_owed - 1e-9 * self.notes()
                if called:
                    sale, wanted, due = pool, list(balance), list(balance)

            # What comes in is principal as the pool says; what triggers and the call change is, too, but for
            # the interest of claims that were not bought.
            price, taken_out = max(sale, 0.0), min(sale, 0.0)
            money = Money(self.two, account + cash + price)
            if self.two:
                capital = max(path.principal[k] + bought_less + less_interest + taken_out, 0.0) + saved
                money = Money(True, max(account + cash - capital, 0.0), capital + price)
            can = purse if self.controls.support and path.alive[k] else 0.0
            size = self.reserve_size(pool)
            today = Today(balance, fees_due, interest_due, due, wanted, trap, turbo, ordered, last)
            paid = self.pay(today, money, reserve, can, size)
            reserve, purse = paid["reserve"], purse - paid["support_drawn"]

            # What is carried forward.
            waits = [
                t.deferrable
                and k < self.legal_final(i)
                and any(
                    self.rank[j] < self.rank[i] and balance[j] > DUST * self.classes[j].amount
                    for j in self.rows
                )
                for i, t in enumerate(self.classes)
            ]
            balance = [b - p for b, p in zip(balance, paid["principal_paid"], strict=True)]
            balance = [b if b >= DUST * t.amount else 0.0 for b, t in zip(balance, self.classes, strict=True)]
            arrears = [max(d - p, 0.0) for d, p in zip(interest_due, paid["interest_paid"], strict=True)]
            fee_arrears = fees_due - paid["fees_paid"]
            left = money.income + money.capital
            kept = 0.0
            if not last and any(
                balance[i] > 0.0 or arrears[i] > DUST * t.amount
                for i, t in enumerate(self.classes)
                if not t.passes_through
            ):
                kept = min(left, float(self.plan.retained[k]))
            if trap and paid.pop("held"):
                kept = left
            paid.pop("held", None)
            account = kept + paid.pop("trapped")
            # What leaves is income first.
            saved = paid.pop("trapped_principal") + min(money.capital, kept)
            before = 0.0 if called else pool
            out.append(
                paid
                | {
                    "fees_due": fees_due,
                    "interest_due": interest_due,
                    "principal_due": due,
                    "deferred": [a if w else 0.0 for a, w in zip(arrears, waits, strict=True)],
                    "balance": balance,
                    "account": account,
                    "residual": left - kept,
                    "sale": sale,
                    "bought_less": bought_less,
                    "trigger": 2 if turbo else 1 if trap else 0,
                    "covenants": values,
                    "breaches": fails,
                }
            )
        return out

    def pay(self, today, money, reserve, can, target):
        """The priority of payments of one date."""
        interest, principal = [0.0] * len(self.classes), [0.0] * len(self.classes)
        interest_due, wanted, due = today.interest_due, today.wanted, today.due
        stopped = today.trap or today.turbo
        first, later = [i for r in self.first for i in r], [i for r in self.later for i in r]
        fees, early = money.take(today.fees_due, "income", "capital"), 0.0

        def senior_interest():
            for rank in self.first:
                money.pay(rank, interest_due, interest, "income")
            if self.two:
                for rank in self.first:
                    money.pay(rank, interest_due, interest, "capital")

        def make_good(rows):
            if self.two:
                short = sum(max(wanted[i] - principal[i], 0.0) for i in rows) - money.capital
                money.capital += money.take(max(short, 0.0), "income")

        if self.terms.interest == "first" or self.two or self.terms.principal == "pro rata":
            senior_interest()
            if not stopped:
                for rank in self.later:
                    money.pay(rank, interest_due, interest, "income")
            open_ = any(today.balance[i] > DUST * self.classes[i].amount for i in self.protected)
            if self.controls.reserve and open_ and not today.last:
                early = money.take(max(target - reserve, 0.0), "income")
                reserve += early
            make_good(first if stopped else self.rows)
            if self.shared and not today.ordered:
                money.pay(self.rows, wanted, principal, "capital")
            for rank in self.first:
                money.pay(rank, wanted, principal, "capital")
        else:
            for rank in self.first:
                money.pay(rank, interest_due, interest, "income")
                money.pay(rank, wanted, principal, "income")

        # Fees, then interest, then principal that is due to the senior classes.
        reserve_drawn = support_drawn = 0.0
        # Nobody helps with the fees of a plan whose senior classes are repaid.
        open_ = any(today.balance[i] > 0.0 for i in self.protected)
        late = any(interest_due[i] > interest[i] or due[i] > principal[i] for i in self.protected)
        alike = [[i for i in r if i in self.protected] for r in self.first]
        for source in ("reserve", "support"):
            purse = Money(False, reserve if source == "reserve" else can)
            before = fees + sum(interest) + sum(principal)
            if open_ or late:
                fees += purse.take(today.fees_due - fees, "income")
            for owed, paid in ((interest_due, interest), (due, principal)):
                for rank in alike:
                    purse.pay(rank, owed, paid, "income")
            drawn = fees + sum(interest) + sum(principal) - before
            if source == "reserve":
                reserve, reserve_drawn = purse.income, drawn
            else:
                support_drawn = drawn

        def still_owed():
            return not today.last and any(
                today.balance[i] - principal[i] + interest_due[i] - interest[i]
                > DUST * self.classes[i].amount
                for i in self.protected
            )

        held = still_owed()
        released = max(reserve - target, 0.0) if held else reserve
        money.income += released
        reserve -= released
        topped = money.take(max(target - reserve, 0.0), "income") if held else 0.0
        reserve += topped

        # What a shrinking reserve gives back is for senior principal first; a trap keeps the rest.
        if self.controls.reserve and self.controls.reserve_unit == "of pool":
            make_good(first)
            for rank in self.first:
                money.pay(rank, wanted, principal, "capital")
            # Once they are repaid by it, all of it is given back.
            held = still_owed()
            if not held:
                money.income += reserve
                released, reserve = released + reserve, 0.0

        trapped = trapped_principal = 0.0
        if today.trap and held:
            trapped_principal = money.capital
            trapped = money.take(math.inf, "income", "capital")
        if self.two:
            for rank in self.later:
                money.pay(rank, interest_due, interest, "income")
            make_good(later)
            for rank in self.later:
                money.pay(rank, wanted, principal, "capital")
            for rank in self.later:
                money.pay(rank, interest_due, interest, "capital")
        else:
            for rank in self.later:
                money.pay(rank, interest_due, interest, "income")
                money.pay(rank, wanted, principal, "income")
        return {
            "fees_paid": fees,
            "interest_paid": interest,
            "principal_paid": principal,
            "reserve": reserve,
            "reserve_drawn": reserve_drawn,
            "reserve_topped": early + topped,
            "reserve_released": released,
            "support_drawn": support_drawn,
            "trapped": trapped,
            "trapped_principal": trapped_principal,
            "held": held,
        }
