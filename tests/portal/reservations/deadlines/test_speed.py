"""A year of cut-offs is quick enough to be found while a page is drawn."""

from tests.bench.deadlines import LIMIT_SECONDS, bench_cutoffs


def test_a_year_of_cut_offs_takes_no_time_nor_query(db: None, django_assert_num_queries) -> None:
    """Ten times the bench's limit: this machine may be busy, and only a wrong turn should fail."""
    with django_assert_num_queries(0):
        assert bench_cutoffs() < 10 * LIMIT_SECONDS
