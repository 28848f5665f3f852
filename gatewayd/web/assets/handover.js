// Sends the customer on to the bank's page. Without scripts the visible button does the same.
document.getElementById("handover").submit();
