from switch.adapters.telemetry import make_telemetry
from switch.apps.demo import load_demo_world
from switch.apps.demo_start import add_demo_link, load_demo
from switch.apps.instance import Instance
from switch.apps.roles import Role
from switch.apps.settings import IssuerLinkSettings, Settings

ISSUER = "127.0.0.1:8590"


def make_instance(folder, *roles):
    return Instance(
        Settings(),
        roles=frozenset(roles),
        data_directory=folder,
        keys_directory=folder / "keys",
        log_url=f"sqlite://{folder}/log.db",
        is_demo=True,
        telemetry=make_telemetry("test"),
        find_dsn=str,
    )


def test_the_demos_link_leads_to_the_simulator_unless_a_setting_says_otherwise():
    world = load_demo_world()
    assert add_demo_link(Settings(), world, ISSUER).issuer_link.links == {world.link: ISSUER}
    elsewhere = Settings(issuer_link=IssuerLinkSettings(links={world.link: "10.0.0.1:1"}))
    assert add_demo_link(elsewhere, world, ISSUER) == elsewhere
    assert add_demo_link(Settings(), None, ISSUER) == Settings()


async def test_the_demo_world_is_loaded_into_an_empty_registry_once(tmp_path):
    said = []
    world = load_demo_world()
    instance = make_instance(tmp_path, Role.REGISTRAR)
    await instance.open()
    await load_demo(instance, world, said.append)
    position = instance.follower.position
    await load_demo(instance, world, said.append)
    assert instance.follower.view.list_entities("merchants")
    assert instance.follower.position == position
    assert len(said) == 1
    await instance.close()


async def test_a_process_without_a_registrar_loads_nothing(tmp_path):
    instance = make_instance(tmp_path, Role.GATEWAY)
    await instance.open()
    await load_demo(instance, load_demo_world(), str)
    assert instance.follower.position == 0
    await instance.close()
