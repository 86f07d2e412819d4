"""A bulletin as one HTML file: no script, nothing loaded from elsewhere, good on paper (A4), a screen and a phone."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from hub.bulletin import HEADLINES, OF_A_LINE, Bulletin
from hub.bulletin import words as say
from hub.bulletin.words import LEVELS, WORDS, Language

_ENVIRONMENT: Final = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def html(bulletin: Bulletin, language: Language, made_at: datetime) -> str:
    """The page in a language; everything from the data is escaped. made_at: shown as it is given, in the deployment's zone."""
    return _ENVIRONMENT.get_template("page.html").render(
        b=bulletin,
        lang=language,
        w=WORDS[language],
        levels=LEVELS[language],
        say=say,
        headlines=[(name, bulletin.district[name]) for name in HEADLINES if name in bulletin.district],
        of_a_line=OF_A_LINE,
        sentences=say.headline(bulletin, language),
        made_at=f"{made_at:%Y-%m-%d %H:%M}",
        day_bars=bars([(say.day_text(day), float(count)) for day, count in bulletin.days]),
        period_bars=bars(
            [(say.day_text(start), accepted) for start, accepted, _ in bulletin.curve],
            [solved for _, _, solved in bulletin.curve],
        ),
    )


_WIDTH, _HEIGHT, _BOTTOM, _TOP = 640, 180, 24, 24


def bars(values: Sequence[tuple[str, float]], shares: Sequence[float | None] = ()) -> Markup:
    """Bars with their numbers above and labels below; `shares` (0 to 1) as a line over them."""
    if not values:
        return Markup("")
    most = max(1, *(value for _, value in values))
    step = _WIDTH / len(values)
    high = _HEIGHT - _BOTTOM - _TOP
    every = -(-len(values) // 16)
    found = []
    for index, (label, value) in enumerate(values):
        x, height = index * step, high * value / most
        middle = x + step / 2
        found.append(
            f'<rect x="{x + step * 0.15:.1f}" y="{_TOP + high - height:.1f}" width="{step * 0.7:.1f}" height="{height:.1f}"/>'
        )
        if index % every == 0:
            found.append(f'<text x="{middle:.1f}" y="{_HEIGHT - 8}">{label}</text>')
            found.append(f'<text x="{middle:.1f}" y="{_TOP + high - height - 5:.1f}" class="n">{value:,.0f}</text>')
    points = [
        f"{index * step + step / 2:.1f},{_TOP + high * (1 - share):.1f}"
        for index, share in enumerate(shares)
        if share is not None
    ]
    if len(points) > 1:
        found.append(f'<polyline points="{" ".join(points)}"/>')
    # Numbers and days only: nothing here comes from a feed.
    return Markup(f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" aria-hidden="true">{"".join(found)}</svg>')  # noqa: S704
