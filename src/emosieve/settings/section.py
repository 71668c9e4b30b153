"""What every table of the settings file has in common, and the kinds of numbers that stand in them."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from emosieve.settings import refusals
from emosieve.settings.refusals import Refused


def _refuse_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise Refused(refusals.NO_NUMBER())
    return value


_MOST = 10**15
"""More than anybody means, and still a number that every reader of JSON takes for what it is."""

# The bounds stand next to the type: behind the validator JSON Schema would not know them.
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False), BeforeValidator(_refuse_bool)]
Seconds = Annotated[float, Field(gt=0, le=7 * 86400, allow_inf_nan=False), BeforeValidator(_refuse_bool)]
Duration = Annotated[float, Field(ge=0, le=86400, allow_inf_nan=False), BeforeValidator(_refuse_bool)]
Decibels = Annotated[float, Field(ge=-20, le=100, allow_inf_nan=False), BeforeValidator(_refuse_bool)]
Bytes = Annotated[int, Field(ge=4096, le=_MOST), BeforeValidator(_refuse_bool)]
Count = Annotated[int, Field(ge=0, le=_MOST), BeforeValidator(_refuse_bool)]


class Section(BaseModel):
    """One table of the settings file."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, use_attribute_docstrings=True
    )
