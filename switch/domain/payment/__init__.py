"""The life of one payment: what was asked, decided, sent, answered and given back."""
