"""What a deal says: claims, notes, terms, controls, covenants, curves. Frozen, validated data.

Money is in one currency unit of the user's choice, rates and probabilities are decimals,
times are years from closing. One module a part, with the faults of that part beside it.
"""

from xlkmv.deal.terms.claims import (
    AMORTISATIONS,
    LOAN_NUMBERS,
    LOAN_WORDS,
    POOL_NUMBERS,
    POOL_WORDS,
    STATUSES,
    USUAL_LOAN,
    Loans,
    Pool,
    loan_faults,
    pool_faults,
    status_faults,
)
from xlkmv.deal.terms.controls import CAP_UNITS, CONTROLS, RESERVE_FUNDING, RESERVE_UNITS, Control, Controls
from xlkmv.deal.terms.covenants import CONSEQUENCES, METRICS, Covenant, covenant_faults
from xlkmv.deal.terms.curves import Curve, curve_faults, graded, scale_faults
from xlkmv.deal.terms.dates import DAY_COUNTS, INTERVALS, months_after, payment_dates, year_fraction
from xlkmv.deal.terms.deal import Deal
from xlkmv.deal.terms.faults import COLUMN_RULES, TOLERANCE, Fault, column_faults
from xlkmv.deal.terms.notes import PASS_THROUGH, PAYMENT_TYPES, SCHEDULE, Tranche, tranche_faults
from xlkmv.deal.terms.plan import (
    OC_ALL,
    TERM_CHOICES,
    TERM_RULES,
    VECTORS,
    VOLATILITY_SOURCES,
    Terms,
    terms_faults,
    without_risk,
)
from xlkmv.deal.terms.ranges import (
    INPUTS,
    RANGE_NUMBERS,
    SOURCE_NUMBERS,
    RangedInput,
    Ranges,
    obligor_range_faults,
    range_faults,
)
from xlkmv.deal.terms.record import RECORD_RULE, Record, Today, record_faults
from xlkmv.deal.terms.recoveries import RECOVERY_NUMBERS, USUAL_RECOVERY, Recoveries, recovery_faults
from xlkmv.deal.terms.scale import (
    HORIZONS,
    LONG_RUN,
    NOT_PUBLISHED,
    ClassScale,
    class_scale_faults,
    horizon_field,
)

__all__ = [
    "AMORTISATIONS",
    "CAP_UNITS",
    "COLUMN_RULES",
    "CONSEQUENCES",
    "CONTROLS",
    "DAY_COUNTS",
    "HORIZONS",
    "INPUTS",
    "INTERVALS",
    "LOAN_NUMBERS",
    "LOAN_WORDS",
    "LONG_RUN",
    "METRICS",
    "NOT_PUBLISHED",
    "OC_ALL",
    "PASS_THROUGH",
    "PAYMENT_TYPES",
    "POOL_NUMBERS",
    "POOL_WORDS",
    "RANGE_NUMBERS",
    "RECORD_RULE",
    "RECOVERY_NUMBERS",
    "RESERVE_FUNDING",
    "RESERVE_UNITS",
    "SCHEDULE",
    "SOURCE_NUMBERS",
    "STATUSES",
    "TERM_CHOICES",
    "TERM_RULES",
    "TOLERANCE",
    "USUAL_LOAN",
    "USUAL_RECOVERY",
    "VECTORS",
    "VOLATILITY_SOURCES",
    "ClassScale",
    "Control",
    "Controls",
    "Covenant",
    "Curve",
    "Deal",
    "Fault",
    "Loans",
    "Pool",
    "RangedInput",
    "Ranges",
    "Record",
    "Recoveries",
    "Terms",
    "Today",
    "Tranche",
    "class_scale_faults",
    "column_faults",
    "covenant_faults",
    "curve_faults",
    "graded",
    "horizon_field",
    "loan_faults",
    "months_after",
    "obligor_range_faults",
    "payment_dates",
    "pool_faults",
    "range_faults",
    "record_faults",
    "recovery_faults",
    "scale_faults",
    "status_faults",
    "terms_faults",
    "tranche_faults",
    "without_risk",
    "year_fraction",
]
