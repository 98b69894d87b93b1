"""The head of the screen: which run, whether it lives, how far it is, and what the operator should know."""

from hil.telemetry import RunState, Status
from tui.cells import shorten
from tui.liveness import beat_age_s, judge
from tui.notice import notices
from tui.picture import Ink, Picture, Role, Row, spread, width_of
from tui.quantity import count, duration, engineering, percent, plain, whole
from tui.view import Liveness, View

_LIVENESS = {
    Liveness.WAITING: Ink("○ WAITING", Role.MUTED),
    Liveness.LIVE: Ink("● LIVE", Role.GOOD),
    Liveness.STALE: Ink("◐ STALE", Role.WARNING),
    Liveness.DEAD: Ink("✖ DEAD", Role.BAD),
    Liveness.OVER: Ink("■ OVER", Role.MUTED),
}
_STATES = {RunState.FINISHED: Role.GOOD, RunState.STOPPED: Role.WARNING, RunState.FAILED: Role.BAD}


def draw_header(view: View, width: int, _height: int) -> Picture:
    """Draw three rows: identity, progress, and notices or else the figures of the step."""
    return Picture(rows=[_identity(view, width), _progress(view, width), _third_row(view, width)])


def _identity(view: View, width: int) -> Row:
    manifest = view.snapshot.manifest
    end = [*_bench(view), _life(view)]
    if manifest is None:
        name = view.snapshot.directory.name
        return spread([Ink(" hil ", Role.STRONG), Ink(shorten(name, 40), Role.MUTED)], end, width)
    room = width - width_of(end) - 6
    what = shorten(f"{manifest.model} on {manifest.dataset}", room)
    start = [Ink(" hil ", Role.STRONG), Ink(what)]
    room -= width_of(start) - 3
    if room > 8:
        start.append(Ink("  " + shorten(manifest.run_id, room - 2), Role.MUTED))
    return spread(start, end, width)


def _bench(view: View) -> list[Ink]:
    manifest, status = view.snapshot.manifest, view.snapshot.status
    if manifest is not None and manifest.digital:
        return [Ink("DIGITAL, no bench  ", Role.MUTED)]
    row = [Ink("SIMULATED  ", Role.STRONG)] if manifest is not None and "@domainwall" in manifest.library else []
    if status is None or not status.instruments:
        return row
    synced = sum(instrument.link == "SYNCED" for instrument in status.instruments)
    links = f"links {synced}/{len(status.instruments)}  "
    role = Role.MUTED if synced == len(status.instruments) or status.state.is_over else Role.WARNING
    return [*row, Ink(links, role), _outputs(status)]


def _outputs(status: Status) -> Ink:
    unknown = [instrument.name for instrument in status.instruments if instrument.output not in ("on", "off", "none")]
    if unknown:
        return Ink(f"? output {shorten(', '.join(unknown), 16)}  ", Role.BAD)
    on = [instrument.name for instrument in status.instruments if instrument.output == "on"]
    return Ink(f"▲ ON {shorten(', '.join(on), 16)}  ", Role.ENERGISED) if on else Ink("▽ outputs off  ", Role.MUTED)


def _life(view: View) -> Ink:
    state = judge(view.snapshot, view.now_s)
    sign = _LIVENESS[state]
    if state in (Liveness.LIVE, Liveness.WAITING, Liveness.OVER):
        return Ink(sign.text + " ", sign.role)
    return Ink(f"{sign.text} {duration(beat_age_s(view.snapshot, view.now_s))} ", sign.role)


def _progress(view: View, width: int) -> Row:
    status = view.snapshot.status
    if status is None:
        return [Ink(" no status yet", Role.MUTED)]
    epoch = f"  epoch {status.epoch}/{status.epochs}" if status.epochs > 0 else ""
    steps = f"  step {whole(status.step)}/{whole(status.steps_total)}" if status.steps_total > 0 else ""
    start = [Ink(f" {status.state.upper()}", _STATES.get(status.state, Role.STRONG)), Ink(f"{epoch}{steps} ")]
    # An ETA from a run that does not report any more would be a promise that nobody keeps.
    is_live = judge(view.snapshot, view.now_s) is Liveness.LIVE
    eta = f"  ETA {duration(status.eta_s)} " if is_live else " "
    end = [Ink(f" elapsed {duration(status.elapsed_s)}", Role.MUTED), Ink(eta, Role.STRONG)]
    room = width - width_of(start) - width_of(end) - 6
    if room >= 6 and status.steps_total > 0:
        fraction = min(1.0, max(0.0, status.step / status.steps_total))
        filled = int(room * fraction)
        start += [
            Ink("━" * filled, Role.TREND),
            Ink("━" * (room - filled), Role.GUIDE),
            Ink(f" {int(100 * fraction):>3} %"),
        ]
    return spread(start, end, width)


def _third_row(view: View, width: int) -> Row:
    found = notices(view)
    if found:
        text = "  ".join(f"{notice.text}" for notice in found)
        return [Ink(" " + shorten(text, width - 2), found[0].role)]
    return _figures(view, width)


def _figures(view: View, width: int) -> Row:
    step, status = view.snapshot.step, view.snapshot.status
    said = status.message if status else ""
    if step is None:
        return [Ink(" " + shorten(said, width - 2), Role.MUTED)]
    figures = [f"step size {plain(step.step_size)}", f"T {plain(step.temperature)}"]
    if not view.snapshot.is_digital:
        figures += [
            f"{count(step.pulses_total)} pulses",
            engineering(step.energy_j, "J"),
            f"infeasible {percent(step.infeasible_fraction)} %",
            f"clipped {percent(step.clipped_fraction)} %",
        ]
    while figures and len(" · ".join(figures)) > width - 2:
        figures.pop()
    row = [Ink(" " + " · ".join(figures), Role.MUTED)]
    room = width - width_of(row) - 4
    return spread(row, [Ink(shorten(said, room) + " ", Role.MUTED)], width) if said and room > 12 else row
