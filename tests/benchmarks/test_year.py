from benchmarks.batch.year import COLUMNS, Week, total


def test_weeks_add_up() -> None:
    weeks = [
        Week(100, 900, 160, 150, 140, 2.0, 40.0, 50.0),
        Week(50, 300, 70, 66, 60, 1.0, 20.0, 30.0),
    ]
    both = total(weeks)
    assert both == Week(150, 1_200, 230, 216, 200, 3.0, 60.0, 80.0)
    row = both.row("2 weeks")
    assert row.count("|") == len(COLUMNS) + 1
    # 14 of the 80 shipments beyond one an order, of which 30 at most; 16 above 200.
    assert row == (
        "| 2 weeks | 150 | 1,200 | 230 | 216 | 200 | 8.00 | 17.5 | 37.5 | 3 | 60 | 80 |"
    )
