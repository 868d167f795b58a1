"""Deals to start from, one module each: public facts where there are any, and assumptions that say so."""
