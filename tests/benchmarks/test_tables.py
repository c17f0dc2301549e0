"""Tables are the same in Markdown, HTML and on a terminal."""

from __future__ import annotations

from bench.measure import Spread
from bench.tables import Table, bits_of, columns, disturbance, disturbances, goal, skipped

TABLE = Table(("server", "requests/s"), [("this package", "45.0"), ("a|b", "not met")], "A note <here>.")


def test_a_table_has_three_forms() -> None:
    assert TABLE.text().splitlines() == [
        "server        requests/s",
        "this package  45.0",
        "a|b           not met",
        "A note <here>.",
    ]
    assert "| a\\|b | not met |\n\nA note <here>." in TABLE.markdown()
    assert '<td class="number">45.0</td>' in TABLE.html()
    assert '<td class="lost"><span>not met</span></td>' in TABLE.html()
    assert "A note &lt;here&gt;." in TABLE.html()


def test_disturbed_rounds_are_named() -> None:
    calm, busy = ({"case": name, "disturbed": count, "foreign_share": 0.25} for name, count in (("a", 0), ("b", 2)))
    assert disturbance(calm, 5) == disturbances([calm]) == ""
    assert disturbance(busy, 5) == "Disturbed: in 2 of 5 rounds others took up to 25 % of the processors. "
    assert disturbances([calm, busy]) == "Disturbed: others took up to 25 % of the processors in b. "
    assert "in all of these." in disturbances([busy, busy])
    assert "compare the CPU time" not in disturbances([busy])
    assert "compare the CPU time" in disturbances([calm, {**busy, "foreign_share": 0.5}])


def test_data_are_read_where_they_exist() -> None:
    assert skipped({"skipped": ["no wrk.", "no nginx"]}) == "no wrk. no nginx."
    assert columns([{"ms": 1.23456}, {"ms": 2}]) == {"ms": [1.235, 2]}
    assert bits_of({"pictures": [{"name": "a", "bits_per_pixel": 2}]}, "a") == 2
    assert bits_of({}, "a") is None


def test_a_goal_is_met_from_its_limit_on() -> None:
    found = Spread(4, 3, 5, 3)
    assert [goal("", limit, found, "", at_least=True).met for limit in (3, 4, 5)] == [True, True, False]
    assert [goal("", limit, found, "", at_least=False).met for limit in (3, 4, 5)] == [False, True, True]
    assert not goal("", 4, None, "", at_least=True).met
