"""The worksheet functions: what a user types into a cell, one module a family.

Each function is plain Python on clean numbers; :mod:`xlkmv.functions.registry` turns it
into the callable behind ``=KMV_...``. The model does the mathematics.
"""

# In the order of the pages and of the wizard.
# ruff: noqa: F403
# isort: off
from xlkmv.functions.distance import *
from xlkmv.functions.plan import *
from xlkmv.functions.firm import *
from xlkmv.functions.series import *
from xlkmv.functions.pool import *
from xlkmv.functions.portfolio import *
from xlkmv.functions.sources import *
from xlkmv.functions.about import *
from xlkmv.functions.registry import FUNCTIONS

# isort: on

__all__ = ["FUNCTIONS", *sorted(FUNCTIONS)]
