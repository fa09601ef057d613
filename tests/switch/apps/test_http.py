from tests.environment import CALM_TIMES


async def test_status_is_for_operators_and_names_every_part(running):
    status, content = await running.ask_operator("GET", "/v1/status")
    assert status == 200
    assert content["ready"] is True
    assert content["terminal_deadline_ms"] == CALM_TIMES["times.terminal_deadline_ms"]
    assert content["children"] == [{"name": "child", "text": "well", "is_well": True}]
    assert (await running.ask("GET", "/v1/status"))[0] == 401


async def test_the_page_is_there_without_a_database_and_says_so(running):
    status, html = await running.ask("GET", "/")
    assert status == 200
    assert "Ready for payments" in html
    assert "knows no database of payments" in html


async def test_a_payments_status_without_a_database_is_unavailable(running):
    status, problem = await running.ask_operator("GET", "/v1/payments/000000000042")
    assert (status, problem["title"]) == (503, "Unavailable")


async def test_a_registry_file_with_errors_lists_them_all(running):
    file = b'[[agents]]\nagent_id = "X"\n[[agents]]\nagent_id = "y"\n'
    status, problem = await running.ask_operator("POST", "/v1/registry/load", file)
    assert status == 422
    assert len(problem["errors"]) >= 2


async def test_a_registry_file_changes_what_is_listed(running):
    file = b'[[agents]]\nagent_id = "second"\nname = "Second"\nstatus = "active"\n'
    status, result = await running.ask_operator("POST", "/v1/registry/load", file)
    assert (status, result["change_count"]) == (200, 2)
    _, listed = await running.ask_operator("GET", "/v1/registry/agents")
    assert [agent["agent_id"] for agent in listed["agents"]] == ["agent", "second"]
    _, shown = await running.ask_operator("GET", "/v1/registry/agents/second")
    assert shown["name"] == "Second"
