"""The shape of one ``[[data]]`` table of a study file."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    PlainValidator,
    Tag,
    ValidationInfo,
    field_validator,
)
from pydantic_core import PydanticCustomError

from mtjfit.data.curve import PerpAxis
from mtjfit.data.curve_checks import SinTheta
from mtjfit.data.declaration import (
    MAX_BYTES,
    BiasMask,
    Columns,
    ColumnUnits,
    ConstantSigma,
    HeaderLine,
    TableDeclaration,
    TableFormat,
)
from mtjfit.data.pattern import Wide
from mtjfit.data.units import Per, Quantity

__all__ = [
    "ColumnsTable",
    "DataTable",
    "FormatTable",
    "MaskTable",
    "SigmaTable",
    "Table",
    "UnitsTable",
    "WideTable",
    "kind_of",
]


class Table(BaseModel):
    """A table of a study file: no unknown keys, no silent conversions."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ColumnsTable(Table):
    """``[data.columns]``."""

    bias: str
    par: str
    perp: str
    sigma_par: str = ""
    sigma_perp: str = ""
    device: str = ""
    thickness: str = ""
    group: str = ""
    angle: str = ""
    rho: str = ""
    sigma_bias: str = ""


class UnitsTable(Table):
    """``[data.units]``."""

    bias: str
    torque: str
    thickness: str


def _name_or_number(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError("is neither a name nor a number")
    return str(value)


class FormatTable(Table):
    """``[data.format]``."""

    separator: str = ""
    decimal: Literal[".", ","] = "."
    comment: str = "#"
    encoding: str = "utf-8"
    order: Literal["sorted", "any"] = "sorted"
    repeats: bool = False
    reader: str = ""
    names: tuple[str, ...] = ()
    header: tuple[HeaderLine, ...] = ()
    sheet: Annotated[str, PlainValidator(_name_or_number)] = ""
    max_bytes: int = MAX_BYTES


class WideTable(Table):
    """``[data.wide]``."""

    columns: tuple[str, ...] = ()
    common: tuple[str, ...] = ()
    name: str = ""
    name_in: Literal["name", "comment"] = "name"
    within: float = 0.0


class MaskTable(Table):
    """One entry of ``mask``."""

    bias: tuple[float, float]
    reason: str
    device: str = ""


class SigmaTable(Table):
    """``sigma = { par = …, perp = … }``."""

    par: float
    perp: float


def kind_of(value: object) -> str:
    """Tag of a value that is either a word (or list) or a table."""
    return "table" if isinstance(value, dict | SigmaTable) else "word"


class DataTable(Table):
    """One ``[[data]]``."""

    files: Annotated[str | None, Field(min_length=1)] = None
    file: Annotated[str | None, Field(min_length=1, validate_default=True)] = None
    name: str = ""
    quantity: Quantity
    per: Per
    perp_axis: PerpAxis
    columns: ColumnsTable
    units: UnitsTable
    bias_window: tuple[float, float] | None = None
    device: str = ""
    group: str = ""
    thickness: float | None = None
    sigma: Annotated[
        Annotated[Literal["columns", "fit"], Tag("word")] | Annotated[SigmaTable, Tag("table")], Discriminator(kind_of)
    ] = "columns"
    format: FormatTable = FormatTable()
    mask: tuple[MaskTable, ...] = ()
    angle: float | None = None
    sin_theta: SinTheta | None = None
    sigma_bias: float | None = None
    wide: WideTable | None = None
    covariance: Annotated[
        Annotated[str, Tag("word")] | Annotated[dict[str, str], Tag("table")], Discriminator(kind_of)
    ] = ""

    @field_validator("file")
    @classmethod
    def _file_or_files(cls, value: str | None, info: ValidationInfo) -> str | None:
        several = info.data.get("files")
        if value is None and several is None:
            raise PydanticCustomError("missing", "is missing")
        if value is not None and several is not None:
            raise ValueError("is declared beside files")
        return value

    def declaration(self) -> TableDeclaration:
        """The same as a checked declaration; ConfigError with key paths where it contradicts itself."""
        return TableDeclaration(
            quantity=self.quantity,
            per=self.per,
            perp_axis=self.perp_axis,
            columns=Columns(**self.columns.model_dump()),
            units=ColumnUnits(**self.units.model_dump()),
            device=self.device,
            thickness=self.thickness,
            group=self.group,
            sigma=ConstantSigma(self.sigma.par, self.sigma.perp) if isinstance(self.sigma, SigmaTable) else self.sigma,
            format=TableFormat(**self.format.model_dump()),
            bias_window=self.bias_window,
            mask=tuple(BiasMask(mask.bias, mask.reason, mask.device) for mask in self.mask),
            angle=self.angle,
            sin_theta=self.sin_theta,
            sigma_bias=self.sigma_bias,
            wide=Wide(**self.wide.model_dump()) if self.wide is not None else None,
            name=self.name,
            covariance=self.covariance if isinstance(self.covariance, str) else tuple(self.covariance.items()),
        )
