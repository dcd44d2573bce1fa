"""Parts of the components' scripts alone in a real browser, without a server: what they do where none answers."""

from pathlib import Path

import pytest

import avhcurate.ui.components

COMPONENTS = Path(avhcurate.ui.components.__file__).parent
SITE = "http://scripts.test"


@pytest.fixture
def load(page):
    """Opens an empty page that has a script; its requests are answered as the function given says."""

    def opened(script, answer):
        page.route(
            f"{SITE}/**", lambda route: answer(route) if route.request.url != f"{SITE}/" else route.fulfill(body="")
        )
        page.goto(f"{SITE}/")
        page.add_script_tag(content=(COMPONENTS / script).read_text(encoding="utf-8"))
        return page

    return opened


def test_a_grid_whose_rows_fail_asks_the_page_once_and_says_so_until_they_come(load):
    answers = {"status": 409, "json": {"error": "the query took too long"}}
    page = load("grid/rows.js", lambda route: route.fulfill(**answers))
    page.evaluate(
        """() => {
            window.lost = 0;
            window.rows = createRows(() => rows.want([[0, 10]]), () => {
                lost += 1;
                setTimeout(() => rows.want([[0, 10]]));  // as when the page has run and shows the same view
            });
            rows.set('/grid/key', 100, [], null);
            rows.want([[0, 10]]);
        }"""
    )
    page.wait_for_function("rows.failing()")
    assert page.evaluate("lost") == 1
    answers |= {"status": 200, "json": {"tiles": [{"id": 7}], "place": 4}}
    page.wait_for_function("rows.at(0)?.id === 7")
    assert page.evaluate("[rows.failing(), lost]") == [False, 1]
    page.unroute_all()
    page.route("**", lambda route: route.abort())


def test_an_outbox_that_is_gone_sends_nothing_more(load):
    held = []
    page = load("outbox.js", held.append)
    page.evaluate(
        """() => {
            window.sent = [];
            window.outbox = createOutbox('ann', '/health', () => undefined);
            outbox.hear({setStateValue: (_, {turn}) => sent.push(turn)}, '', []);
            outbox.put({kind: 'back', of: ''});
        }"""
    )
    with page.expect_request("**/health"):
        page.evaluate("dispatchEvent(new Event('online'))")
    page.evaluate("outbox.destroy()")
    with page.expect_response("**/health"):
        held[0].fulfill(body="")
    page.wait_for_timeout(200)
    assert page.evaluate("sent.length") == 1


def test_acts_are_sent_again_until_they_are_handled_and_turned_back_if_nobody_answers(load):
    page = load("talk.js", lambda route: route.abort())
    page.clock.install()
    page.evaluate(
        """() => {
            window.sent = [];
            window.python = {setTriggerValue: (_, acts) => sent.push(acts.map(act => act.value))};
            window.talk = createTalk({rest: 100, lost: () => { window.gone = true; }});
            talk.hear(python, 0);
            talk.act({key: 'a', value: 1}, {replaced: ({key}) => key === 'a'});
            talk.act({key: 'b', value: 2}, {replaced: ({key}) => key === 'b'});
            talk.act({key: 'a', value: 3}, {replaced: ({key}) => key === 'a'});
        }"""
    )
    assert page.evaluate("[sent, talk.pending().length]") == [[], 2]
    page.clock.run_for(11_000)
    assert page.evaluate("sent") == [[2, 3], [2, 3]]
    page.evaluate(
        "talk.hear({setTriggerValue: (_, acts) => sent.push(acts.map(act => act.value))}, talk.pending()[0].sent.at)"
    )
    page.clock.run_for(70_000)
    assert page.evaluate("[sent.at(-1), talk.pending().length, gone]") == [[3], 0, True]
