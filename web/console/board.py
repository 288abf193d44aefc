"""The operations view: what needs attention, and charts of lag, throughput and open returns."""

from fastapi import APIRouter, Request, Response

from projections.dead_letters.queries import newest_letters
from projections.engine.health import stop_places
from web.console import charts
from web.console.error_pages import problems_as_pages
from web.console.rendering import Pages
from web.console.sampling import Sampler
from web.console.viewer import viewer_of
from web.http.reading import Readers
from web.operations import queries
from web.operations.readiness import Watch, condition_of

_MAX_DEAD_LETTERS = 500


def router(pages: Pages, readers: Readers, sampler: Sampler, watch: Watch) -> APIRouter:
    """Return the view, its pictures, and what every page says when something is wrong."""
    reader = readers.read_models
    routes = APIRouter(include_in_schema=False, route_class=problems_as_pages(pages))

    @routes.get("/board")
    async def board(request: Request) -> Response:
        now = pages.now()
        found = await reader.read(lambda connection: queries.board(connection, now))
        ages = await reader.read(lambda connection: queries.ages(connection, now))
        known = await condition_of(readers)
        stops = await reader.read(stop_places)
        rates = list(sampler.throughput())
        return pages.show(
            request,
            "board.html",
            board=found,
            requests=await readers.log_if_there(queries.requests),
            reasons=await watch.look(known, now),
            known=known,
            system_parts=sampler.parts,
            seen_since=sampler.since,
            stops=stops,
            parked=known.log.parked if known.log else None,
            out_of_date=known.out_of_date,
            ages=ages,
            last=sampler.samples[-1] if sampler.samples else None,
            rate=rates[-1] if rates else None,
        )

    @routes.get("/board/dead-letters")
    async def dead_letters(request: Request) -> Response:
        found = await reader.read(lambda connection: newest_letters(connection, _MAX_DEAD_LETTERS))
        return pages.show(request, "dead_letters.html", letters=found)

    @routes.get("/state")
    async def state(request: Request) -> Response:
        return pages.show(request, "server_banner.html", trouble=sampler.trouble)

    @routes.get("/board/lag.svg")
    async def lag(request: Request) -> Response:
        viewer = viewer_of(request)
        say = pages.translator(viewer.language)
        return _svg(charts.lag(list(sampler.samples), viewer.zone, say, dark=_dark(request)))

    @routes.get("/board/throughput.svg")
    async def throughput(request: Request) -> Response:
        viewer = viewer_of(request)
        say = pages.translator(viewer.language)
        return _svg(charts.throughput(sampler, viewer.zone, say, dark=_dark(request)))

    @routes.get("/board/returns.svg")
    async def returns(request: Request) -> Response:
        ages = await reader.read(lambda connection: queries.ages(connection, pages.now()))
        return _svg(charts.returns(ages, pages.translator(viewer_of(request).language), dark=_dark(request)))

    return routes


def _svg(drawn: str) -> Response:
    """Return a picture, which is styled by itself and may do nothing else."""
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    headers = {"Content-Security-Policy": policy, "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return Response(drawn, media_type="image/svg+xml", headers=headers)


def _dark(request: Request) -> bool:
    return "dark" in request.query_params
