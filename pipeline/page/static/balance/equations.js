/** The ledger as equations: what came = what became of it, as `dockline audit` prints it. */

/** [[number, words]] without those of nothing. */
const terms = (list) => list.filter(([number]) => number);

const byName = (counts, words) => Object.entries(counts ?? {}).map(([name, number]) => [number, words(name)]);

function wentAtSink(sink) {
  return [
    [sink.delivered, "delivered", "good"],
    [sink.known, "known from before", "good"],
    ...byName(sink.dropped, (reason) => `dropped (${reason})`).map((term) => [...term, "bad"]),
    [sink.dead_lettered, "dead-lettered", "warn"],
    [sink.left, "left on its disk", "warn"],
    [sink.buffered, "buffered", "wait"],
  ];
}

/** The equations of a container: {route, to, source, came, went, unaccounted}, terms as [number, words, kind]. */
export function equationsOf(container) {
  return container.routes.flatMap((route) => {
    const came = [[route.taken, route.fed ? "from other routes" : "read"], ...byName(route.made, (stage) => `made by ${stage}`)];
    const left = [...byName(route.filtered, (stage) => `filtered by ${stage}`).map((term) => [...term, "dim"]), [route.held, "held back", "wait"]];
    const missing = [[route.unaccounted, "unaccounted before it", "bad"]];
    const of = (to, came, went, unaccounted) => ({
      route: route.route || "unknown route", to, source: route.source, came: terms(came), went: terms(went), unaccounted: unaccounted || 0,
    });
    return [
      ...Object.entries(route.handed ?? {}).map(([name, number]) =>
        of(`route ${name}`, came, [...left, [number, "handed on", "good"], ...missing], route.unaccounted)),
      ...(route.sinks ?? []).map((sink) => {
        // A sink that only takes dead letters, or an earlier run's entries, has nothing of the route.
        const own = Boolean(sink.routed) || !(sink.letters || sink.carried);
        return of(
          sink.sink,
          [...(own ? came : []), [sink.letters, "dead letters"], [sink.carried, "from the spool"]],
          [...(own ? left : []), ...wentAtSink(sink), ...(own ? missing : []), [sink.unaccounted, "unaccounted", "bad"]],
          (own && route.unaccounted) || sink.unaccounted,
        );
      }),
    ];
  });
}

/** Whether every entry of a container is accounted for. */
export const balances = (container) => equationsOf(container).every(({ unaccounted }) => !unaccounted);

/** The equation of a source beside Docker, of messages. */
export function equationOfSource({ source, taken = 0, settled = 0, given_up = 0, open = 0, refused = {} }) {
  const unaccounted = taken - settled - given_up - open;
  return {
    name: source,
    came: terms([[taken, "messages taken"]]),
    went: terms([[settled, "settled", "good"], [given_up, "left to be sent again", "warn"], [open, "on their way", "wait"], [unaccounted, "unaccounted", "bad"]]),
    refused: Object.entries(refused),
    unaccounted,
  };
}
