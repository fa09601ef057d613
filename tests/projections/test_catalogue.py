import re

from projections.catalogue import PROJECTIONS
from projections.migrations import read_migrations


def test_a_projections_tables_are_those_of_its_sql():
    for name, projection in PROJECTIONS.items():
        assert projection.name == name
        sql = "".join(migration.sql for migration in read_migrations(name))
        made = set(re.findall(r"CREATE TABLE (\w+)", sql))
        assert made == {*projection.appended, *projection.folded, "position"}
