from workbench.protocol import queries as q
from workbench.session.run_table import RunTable


class RunCurves:
    def __init__(self, table: RunTable) -> None:
        self._table = table

    def page(self, query: q.SeriesPage) -> q.Series:
        return q.Series(points=())
