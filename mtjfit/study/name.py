"""Names of numbers in tables: a parameter, and the device or group whose own it is."""

from __future__ import annotations

__all__ = ["ParameterName"]


class ParameterName(str):
    """The name of one number in tables, such as ``a1`` or ``thickness[dev1]``; it is that text, and knows its parts.

    Parameters
    ----------
    base
        The declared parameter, or a whole name as it stands in a table.
    owner
        The device or group that has a value of its own; it may contain brackets.

    Examples
    --------
    >>> name = ParameterName("thickness", "dev[1]")
    >>> name, name.base, name.owner, ParameterName(name).owner
    ('thickness[dev[1]]', 'thickness', 'dev[1]', 'dev[1]')
    >>> ParameterName("a1").owner is None
    True
    """

    __slots__ = ()

    def __new__(cls, base: str, owner: str | None = None) -> ParameterName:
        return super().__new__(cls, base if owner is None else f"{base}[{owner}]")

    @property
    def base(self) -> str:
        """The declared parameter."""
        return self.partition("[")[0]

    @property
    def owner(self) -> str | None:
        """The device or group that it belongs to, None for a number that all share."""
        _, bracket, owner = self.partition("[")
        return owner.removesuffix("]") if bracket else None

    @property
    def is_thickness(self) -> bool:
        """True for the thickness of a device."""
        return self.base == "thickness"

    @property
    def is_noise(self) -> bool:
        """True for what is declared of the noise: its scales, jitter, degrees of freedom."""
        return self.startswith(("noise", "jitter"))

    def of(self, base: str) -> ParameterName:
        """Another parameter of the same owner."""
        return ParameterName(base, self.owner)
