"""Pictures: pure functions from what was recorded to Plotly's plain figures.

They need neither torch nor Streamlit.

Every picture is a function of one argument, `picture(view) -> Picture`. The view is frozen and
carries all that the picture depends on: the theme, and

- `race.RaceView`: a trace, what the horizontal axis counts, and which run;
- `system.SystemView`: one Newton system; `SpectrumView`, `ErrorsView`, `CostsView`: what else a lab
  takes apart;
- `maps.MapView`: a map's cells, axes and colour scale; `maps.scoreboard.Table`: the scoreboard.

A picture says what it shows in its `title`, and to those who do not see it in its `alt`. Its
docstring says what it diagnoses. A new picture of a race is one file in `race/` and one line in
`player.PICTURES`; a row of `player.LAYOUTS` shows it. Exports, the picture's name in lists and the
lessons follow from that line.

What all rooms share stands here: `theme` (colours, axes, `Picture`), `draw` (parts of a figure),
`colors`, `packing` (numbers for the browser), `player` (pictures under one playhead), `playhead`,
and `still` (a panel as a picture that stands still).
"""
