"""What « Mon historique » says of money."""

from billing.models import Invoice
from tests.families.chronicle.test_chronicle import told


def test_a_month_that_made_no_invoice_is_told_and_leads_to_its_statement(reported):
    page = told(reported.client())
    assert "Relevé de décembre 2026 : −9,60\xa0€ reportés" in page
    assert f"/factures/mon-compte/report/{Invoice.every.get(kind='carried').pk}/" in page
