// Code generated from templates by go generate; DO NOT EDIT.

package notification

import (
	"strconv"
	"strings"
)

// rendered makes the parts of a mail, or ok is false for a kind that there is not.
func rendered(k Kind, s shown) (subject, text, html string, ok bool) {
	switch k {
	case "welcome":
		return subjectWelcome(s), textWelcome(s), htmlWelcome(s), true
	case "order-placed":
		return subjectOrderPlaced(s), textOrderPlaced(s), htmlOrderPlaced(s), true
	case "order-confirmed":
		return subjectOrderConfirmed(s), textOrderConfirmed(s), htmlOrderConfirmed(s), true
	case "order-shipped":
		return subjectOrderShipped(s), textOrderShipped(s), htmlOrderShipped(s), true
	case "order-delivered":
		return subjectOrderDelivered(s), textOrderDelivered(s), htmlOrderDelivered(s), true
	case "order-cancelled":
		return subjectOrderCancelled(s), textOrderCancelled(s), htmlOrderCancelled(s), true
	case "order-refunded":
		return subjectOrderRefunded(s), textOrderRefunded(s), htmlOrderRefunded(s), true
	case "order-backordered":
		return subjectOrderBackordered(s), textOrderBackordered(s), htmlOrderBackordered(s), true
	case "order-payment-required":
		return subjectOrderPaymentRequired(s), textOrderPaymentRequired(s), htmlOrderPaymentRequired(s), true
	case "order-held":
		return subjectOrderHeld(s), textOrderHeld(s), htmlOrderHeld(s), true
	case "order-amended":
		return subjectOrderAmended(s), textOrderAmended(s), htmlOrderAmended(s), true
	case "order-partial":
		return subjectOrderPartial(s), textOrderPartial(s), htmlOrderPartial(s), true
	case "order-rest":
		return subjectOrderRest(s), textOrderRest(s), htmlOrderRest(s), true
	}
	return "", "", "", false
}

func subjectWelcome(s shown) string {
	var w strings.Builder
	w.WriteString("Welcome to ")
	w.WriteString(s.Shop)
	return w.String()
}

func textWelcome(s shown) string {
	var w strings.Builder
	w.WriteString("Hello ")
	w.WriteString(s.Name)
	w.WriteString(",\n\nYou were registered as a customer of ")
	w.WriteString(s.Shop)
	w.WriteString(". Thank you, and welcome.\n\nIf you did not ask for that, please tell us.\n\n-- \n")
	w.WriteString(s.Shop)
	if s.OrderID != "" {
		w.WriteString(" · ")
		w.WriteString(s.OrderID)
	}
	w.WriteString("\n")
	return w.String()
}

func htmlWelcome(s shown) string {
	var w strings.Builder
	w.WriteString("<!DOCTYPE html>\n<html lang=\"")
	w.WriteString(escaped(s.Language))
	w.WriteString("\">\n<head>\n<meta charset=\"utf-8\"/>\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<meta name=\"color-scheme\" content=\"light dark\"/>\n<title>Welcome</title>\n</head>\n<body style=\"margin:0;padding:0;background-color:#f2f3f5;color:#1d2330;font-family:system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;font-size:16px;line-height:1.5\">\n<table role=\"presentation\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" style=\"background-color:#f2f3f5\">\n<tr><td align=\"center\" style=\"padding:24px 12px\">\n<table role=\"presentation\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" style=\"max-width:600px;background-color:#ffffff;border-radius:8px;text-align:start\">\n<tr><td style=\"padding:24px 32px 0;color:#5b6475;font-size:14px;letter-spacing:0.04em\">")
	w.WriteString(escaped(s.Shop))
	w.WriteString("</td></tr>\n<tr><td style=\"padding:4px 32px 0\"><h1 style=\"margin:0;font-size:24px;line-height:1.3;color:#1d2330\">Welcome</h1></td></tr>\n<tr><td style=\"padding:16px 32px 28px;color:#1d2330\"><p style=\"margin:0 0 12px\">Hello ")
	w.WriteString(escaped(s.Name))
	w.WriteString(",</p>\n<p style=\"margin:0 0 12px\">You were registered as a customer of ")
	w.WriteString(escaped(s.Shop))
	w.WriteString(". Thank you, and welcome.</p>\n<p style=\"margin:0 0 12px\">If you did not ask for that, please tell us.</p></td></tr>\n</table>\n<p style=\"max-width:600px;margin:16px 0 0;color:#5b6475;font-size:13px\">")
	w.WriteString(escaped(s.Shop))
	if s.OrderID != "" {
		w.WriteString(" · ")
		w.WriteString(escaped(s.OrderID))
	}
	w.WriteString("</p>\n</td></tr>\n</table>\n</body>\n</html>\n")
	return w.String()
}

func subjectOrderPlaced(s shown) string {
	var w strings.Builder
	w.WriteString("We received your order ")
	w.WriteString(s.Short)
	return w.String()
}

func textOrderPlaced(s shown) string {
	var w strings.Builder
	w.WriteString("Hello ")
	w.WriteString(s.Name)
	w.WriteString(",\n\nThank you for your order. This is what we received. We also write about an\norder when it is confirmed, and when it is cancelled.\n\n")
	for _, e1 := range s.Lines {
		w.WriteString("  ")
		w.WriteString(strconv.FormatInt(e1.Quantity, 10))
		w.WriteString(" × ")
		w.WriteString(e1.SKU)
		w.WriteString(" at ")
		w.WriteString(e1.UnitPrice)
		for _, e2 := range e1.Adjustments {
			w.WriteString(", ")
			w.WriteString(e2.Name)
			if e2.Rate != "" {
				w.WriteString(" (")
				w.WriteString(e2.Rate)
				w.WriteString(")")
			}
			w.WriteString(" ")
			w.WriteString(e2.Amount)
		}
		w.WriteString(": ")
		w.WriteString(e1.Price)
		w.WriteString("\n")
	}
	w.WriteString("  Total: ")
	w.WriteString(s.Total)
	w.WriteString("\n\n\n-- \n")
	w.WriteString(s.Shop)
	if s.OrderID != "" {
		w.WriteString(" · ")
		w.WriteString(s.OrderID)
	}
	w.WriteString("\n")
	return w.String()
}

func htmlOrderPlaced(s shown) string {
	var w strings.Builder
	w.WriteString("<!DOCTYPE html>\n<html lang=\"")
	w.WriteString(escaped(s.Language))
	w.WriteString("\">\n<head>\n<meta charset=\"utf-8\"/>\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<meta name=\"color-scheme\" content=\"light dark\"/>\n<title>We received your order</title>\n</head>\n<body style=\"margin:0;padding:0;background-color:#f2f3f5;color:#1d2330;font-family:system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;font-size:16px;line-height:1.5\">\n<table role=\"presentation\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" style=\"background-color:#f2f3f5\">\n<tr><td align=\"center\" style=\"padding:24px 12px\">\n<table role=\"presentation\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" style=\"max-width:600px;background-color:#ffffff;border-radius:8px;text-align:start\">\n<tr><td style=\"padding:24px 32px 0;color:#5b6475;font-size:14px;letter-spacing:0.04em\">")
	w.WriteString(escaped(s.Shop))
	w.WriteString("</td></tr>\n<tr><td style=\"padding:4px 32px 0\"><h1 style=\"margin:0;font-size:24px;line-height:1.3;color:#1d2330\">We received your order</h1></td></tr>\n<tr><td style=\"padding:16px 32px 28px;color:#1d2330\"><p style=\"margin:0 0 12px\">Hello ")
	w.WriteString(escaped(s.Name))
	w.WriteString(",</p>\n<p style=\"margin:0 0 12px\">Thank you for your order. This is what we received. We also write about an order when it is confirmed, and when it is cancelled.</p>\n<table width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" style=\"margin:20px 0;border-collapse:collapse;font-size:15px\">\n")
	for _, e1 := range s.Lines {
		w.WriteString("<tr>\n<td style=\"padding:8px 0;border-bottom:1px solid #e3e6eb\">")
		w.WriteString(escaped(e1.SKU))
		for _, e2 := range e1.Adjustments {
			w.WriteString(", ")
			w.WriteString(escaped(e2.Name))
			if e2.Rate != "" {
				w.WriteString(" (")
				w.WriteString(escaped(e2.Rate))
				w.WriteString(")")
			}
			w.WriteString(" ")
			w.WriteString(escaped(e2.Amount))
		}
		w.WriteString("</td>\n<td align=\"right\" style=\"padding:8px 12px;border-bottom:1px solid #e3e6eb;white-space:nowrap;color:#5b6475\">")
		w.WriteString(strconv.FormatInt(e1.Quantity, 10))
		w.WriteString(" × ")
		w.WriteString(escaped(e1.UnitPrice))
		w.WriteString("</td>\n<td align=\"right\" style=\"padding:8px 0;border-bottom:1px solid #e3e6eb;white-space:nowrap\">")
		w.WriteString(escaped(e1.Price))
		w.WriteString("</td>\n</tr>\n")
	}
	w.WriteString("<tr>\n<td colspan=\"2\" style=\"padding:10px 0;font-weight:bold\">Total</td>\n<td align=\"right\" style=\"padding:10px 0;font-weight:bold;white-space:nowrap\">")
	w.WriteString(escaped(s.Total))
	w.WriteString("</td>\n</tr>\n</table></td></tr>\n</table>\n<p style=\"max-width:600px;margin:16px 0 0;color:#5b6475;font-size:13px\">")
	w.WriteString(escaped(s.Shop))
	if s.OrderID != "" {
		w.WriteString(" · ")
		w.WriteString(escaped(s.OrderID))
	}
	w.WriteString("</p>\n</td></tr>\n</table>\n</body>\n</html>\n")
	return w.String()
}

func subjectOrderConfirmed(s shown) string {
	var w strings.Builder
	w.WriteString("Your order ")
	w.WriteString(s.Short)
	w.WriteString(" was confirmed")
	return w.String()
}

func textOrderConfirmed(s shown) string {
	var w strings.Builder
	w.WriteString("Hello ")
	w.WriteString(s.Name)
	w.WriteString(",\n\nWe confirmed your order: it was paid, and its shipment was scheduled.\n\n")
	for _, e1 := range s.Lines {
		w.WriteString("  ")
		w.WriteString(strconv.FormatInt(e1.Quantity, 10))
		w.WriteString(" × ")
		w.WriteString(e1.SKU)
		w.WriteString(" at ")
		w.WriteString(e1.UnitPrice)
		for _, e2 := range e1.Adjustments {
			w.WriteString(", ")
			w.WriteString(e2.Name)
			if e2.Rate != "" {
				w.WriteString(" (")
				w.WriteString(e2.Rate)
				w.WriteString(")")
			}
			w.WriteString(" ")
			w.WriteString(e2.Amount)
		}
		w.WriteString(": ")
		w.WriteString(e1.Price)
		w.WriteString("\n")
	}
	w.WriteString("  Total: ")
	w.WriteString(s.Total)
	w.WriteString("\n\nTracking number: ")
	w.WriteString(s.Tracking)
	w.WriteString("\n\n-- \n")
	w.WriteString(s.Shop)
	if s.OrderID != "" {
		w.WriteString(" · ")
		w.WriteString(s.OrderID)
	}
	w.WriteString("\n")
	return w.String()
}

func htmlOrderConfirmed(s shown) string {
	var w strings.Builder
	w.WriteString("<!DOCTYPE html>\n<html lang=\"")
	w.WriteString(escaped(s.Language))
	w.WriteString("\">\n<head>\n<meta charset=\"utf-8\"/>\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<meta name=\"color-scheme\" content=\"light dark\"/>\n<title>Your order was confirmed</title>\n</head>\n<body style=\"margin:0;padding:0;background-color:#f2f3f5;color:#1d2330;font-family:system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;font-size:16px;line-height:1.5\">\n<table role=\"presentation\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" style=\"background-color:#f2f3f5\">\n<tr><td align=\"center\" style=\"padding:24px 12px\">\n<table role=\"presentation\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" style=\"max-width:600px;background-color:#ffffff;border-radius:8px;text-align:start\">\n<tr><td style=\"padding:24px 32px 0;color:#5b6475;font-size:14px;letter-spacing:0.04em\">")
	w.WriteString(escaped(s.Shop))
	w.WriteString("</td></tr>\n<tr><td style=\"padding:4px 32px 0\"><h1 style=\"margin:0;font-size:24px;line-height:1.3;color:#1d2330\">Your order was confirmed</h1></td></tr>\n<tr><td style=\"padding:16px 32px 28px;color:#1d2330\"><p style=\"margin:0 0 12px\">Hello ")
	w.WriteString(escaped(s.Name))
	w.WriteString(",</p>\n<p style=\"margin:0 0 12px\">We confirmed your order: it was paid, and its shipment was scheduled.</p>\n<table width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" style=\"margin:20px 0;border-collapse:collapse;font-size:15px\">\n")
	for _, e1 := range s.Lines {
		w.WriteString("<tr>\n<td style=\"padding:8px 0;border-bottom:1px solid #e3e6eb\">")
		w.WriteString(escaped(e1.SKU))
		for _, e2 := range e1.Adjustments {
			w.WriteString(", ")
			w.WriteString(escaped(e2.Name))
			if e2.Rate != "" {
				w.WriteString(" (")
				w.WriteString(escaped(e2.Rate))
				w.WriteString(")")
			}
			w.WriteString(" ")
			w.WriteString(escaped(e2.Amount))
		}
		w.WriteString("</td>\n<td align=\"right\" style=\"padding:8px 12px;border-bottom:1px solid #e3e6eb;white-space:nowrap;color:#5b6475\">")
		w.WriteString(strconv.FormatInt(e1.Quantity, 10))
		w.WriteString(" × ")
		w.WriteString(escaped(e1.UnitPrice))
		w.WriteString("</td>\n<td align=\"right\" style=\"padding:8px 0;border-bottom:1px solid #e3e6eb;white-space:nowrap\">")
		w.WriteString(escaped(e1.Price))
		w.WriteString("</td>\n</tr>\n")
	}
	w.WriteString("<tr>\n<td colspan=\"2\" style=\"padding:10px 0;font-weight:bold\">Total</td>\n<td align=\"right\" style=\"padding:10px 0;font-weight:bold;white-space:nowrap\">")
	w.WriteString(escaped(s.Total))
	w.WriteString("</td>\n</tr>\n</table>\n<p style=\"margin:0 0 12px\">Tracking number: <strong>")
	w.WriteString(escaped(s.Tracking))
	w.WriteString("</strong></p></td></tr>\n</table>\n<p style=\"max-width:600px;margin:16px 0 0;color:#5b6475;font-size:13px\">")
	w.WriteString(escaped(s.Shop))
	if s.OrderID != "" {
		w.WriteString(" · ")
		w.WriteString(escaped(s.OrderID))
	}
	w.WriteString("</p>\n</td></tr>\n</table>\n</body>\n</html>\n")
	return w.String()
}

func subjectOrderShipped(s shown) string {
	var w strings.Builder
	w.WriteString("Your order ")
	w.WriteString(s.Short)
	w.WriteString(" was shipped")
	return w.String()
}

func textOrderShipped(s shown) string {
	var w strings.Builder
	w.WriteString("Hello ")
	w.WriteString(s.Name)
	w.WriteString(",\n\nYour order left our warehouse. An order that was shipped can no longer be\ncancelled.\n\nTracking number: ")
	w.WriteString(s.Tracking)
	w.WriteString("\n\n-- \n")
	w.WriteString(s.Shop)
	if s.OrderID != "" {
		w.WriteString(" · ")
		w.WriteString(s.OrderID)
	}
	w.WriteString("\n")
	return w.String()
}

func htmlOrderShipped(s shown) string {
	var w strings.Builder
	w.WriteString("<!DOCTYPE html>\n<html lang=\"")
	w.WriteString(escaped(s.Language))
	w.WriteString("\">\n<head>\n<meta charset=\"utf-8\"/>\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<meta name=\"color-scheme\" content=\"light dark\"/>\n<title>Your order was shipped</title>\n</head>\n<body style=\"margin:0;padding:0;background-color:#f2f3f5;color:#1d2330;font-family:system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;font-size:16px;line-height:1.5\">\n<table role=\"presentation\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" style=\"background-color:#f2f3f5\">\n<tr><td align=\"center\" style=\"padding:24px 12px\">\n<table role=\"presentation\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" style=\"max-width:600px;background-color:#ffffff;border-radius:8px;text-align:start\">\n<tr><td style=\"padding:24px 32px 0;color:#5b6475;font-size:14px;letter-spacing:0.04em\">")
	w.WriteString(escaped(s.Shop))
	w.WriteString("</td></tr>\n<tr><td style=\"padding:4px 32px 0\"><h1 style=\"margin:0;font-size:24px;line-height:1.3;color:#1d2330\">Your order was shipped</h1></td></tr>\n<tr><td style=\"padding:16px 32px 28px;color:#1d2330\"><p style=\"margin:0 0 12px\">Hello ")
	w.WriteString(escaped(s.Name))
	w.WriteString(",</p>\n<p style=\"margin:0 0 12px\">Your order left our warehouse. An order that was shipped can no longer be cancelled.</p>\n<p style=\"margin:0 0 12px\">Tracking number: <strong>")
	w.WriteString(escaped(s.Tracking))
	w.WriteString("</strong></p></td></tr>\n</table>\n<p style=\"max-width:600px;margin:16px 0 0;color:#5b6475;font-size:13px\">")
	w.WriteString(escaped(s.Shop))
	if s.OrderID != "" {
		w.WriteString(" · ")
		w.WriteString(escaped(s.OrderID))
	}
	w.WriteString("</p>\n</td></tr>\n</table>\n</body>\n</html>\n")
	return w.String()
}

func subjectOrderDelivered(s shown) string {
	var w strings.Builder
	w.WriteString("Your order ")
	w.WriteString(s.Short)
	w.WriteString(" was delivered")
	return w.String()
}

func textOrderDelivered(s shown) string {
	var w strings.Builder
	w.WriteString("Hello ")
	w.WriteString(s.Name)
	w.WriteString(",\n\nThe carrier handed your order over. We hope that all was as it should be.\n\nIf something was missing, please tell us, with the number below.\n\n-- \n")
	w.WriteString(s.Shop)
	if s.OrderID != "" {
		w.WriteString(" · ")
		w.WriteString(s.OrderID)
	}
	w.WriteString("\n")
	return w.String()
}

func htmlOrderDelivered(s shown) string {
	var w strings.Builder
	w.WriteString("<!DOCTYPE html>\n<html lang=\"")
	w.WriteString(escaped(s.Language))
	w.WriteString("\">\n<head>\n<meta charset=\"utf-8\"/>\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<meta name=\"color-scheme\" content=\"light dark\"/>\n<title>Your order was delivered</title>\n</head>\n<body style=\"margin:0;padding:0;background-color:#f2f3f5;color:#1d2330;font-family:system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;font-size:16px;line-height:1.5\">\n<table role=\"presentation\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" style=\"background-color:#f2f3f5\">\n<tr><td align=\"center\" style=\"padding:24px 12px\">\n<table role=\"presentation\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" style=\"max-width:600px;background-color:#ffffff;border-radius:8px;text-align:start\">\n<tr><td style=\"padding:24px 32px 0;color:#5b6475;font-size:14px;letter-spacing:0.04em\">")
	w.WriteString(escaped(s.Shop))
	w.WriteString("</td></tr>\n<tr><td style=\"padding:4px 32px 0\"><h1 style=\"margin:0;font-size:24px;line-height:1.3;color:#1d2330\">Your order was delivered</h1></td></tr>\n<tr><td style=\"padding:16px 32px 28px;color:#1d2330\"><p style=\"margin:0 0 12px\">Hello ")
	w.WriteString(escaped(s.Name))
	w.WriteString(",</p>\n<p style=\"margin:0 0 12px\">The carrier handed your order over. We hope that all was as it should be.</p>\n<p style=\"margin:0 0 12px\">If something was missing, please tell us, with the number below.</p></td></tr>\n</table>\n<p style=\"max-width:600px;margin:16px 0 0;color:#5b6475;font-size:13px\">")
	w.WriteString(escaped(s.Shop))
	if s.OrderID != "" {
		w.WriteString(" · ")
		w.WriteString(escaped(s.OrderID))
	}
	w.WriteString("</p>\n</td></tr>\n</table>\n</body>\n</html>\n")
	return w.String()
}

func subjectOrderCancelled(s shown) string {
	var w strings.Builder
	w.WriteString("Your order ")
	w.WriteString(s.Short)
	w.WriteString(" was cancelled")
	return w.String()
}

func textOrderCancelled(s shown) string {
	var w strings.Builder
	w.WriteString("Hello ")
	w.WriteString(s.Name)
	w.WriteString(",\n\nYour order was cancelled.\n")
	w.WriteString(s.Reason)
	w.WriteString("\n\n")
	for _, e1 := range s.Lines {
		w.WriteString("  ")
		w.WriteString(strconv.FormatInt(e1.Quantity, 10))
		w.WriteString(" × ")
		w.WriteString(e1.SKU)
		w.WriteString(" at ")
		w.WriteString(e1.UnitPrice)
		for _, e2 := range e1.Adjustments {
			w.WriteString(", ")
			w.WriteString(e2.Name)
			if e2.Rate != "" {
				w.WriteString(" (")
				w.WriteString(e2.Rate)
				w.WriteString(")")
			}
			w.WriteString(" ")
			w.WriteString(e2.Amount)
		}
		w.WriteString(": ")
		w.WriteString(e1.Price)
		w.WriteString("\n")
	}
	w.WriteString("  Total: ")
	w.WriteString(s.Total)
	w.WriteString("\n\nWhatever was charged for it was paid back to your account.\n\n-- \n")
	w.WriteString(s.Shop)
	if s.OrderID != "" {
		w.WriteString(" · ")
		w.WriteString(s.OrderID)
	}
	w.WriteString("\n")
	return w.String()
}

func htmlOrderCancelled(s shown) string {
	var w strings.Builder
	w.WriteString("<!DOCTYPE html>\n<html lang=\"")
	w.WriteString(escaped(s.Language))
	w.WriteString("\">\n<head>\n<meta charset=\"utf-8\"/>\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<meta name=\"color-scheme\" content=\"light dark\"/>\n<title>Your order was cancelled</title>\n</head>\n<body style=\"margin:0;padding:0;background-color:#f2f3f5;color:#1d2330;font-family:system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;font-size:16px;line-height:1.5\">\n<table role=\"presentation\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" style=\"background-color:#f2f3f5\">\n<tr><td align=\"center\" style=\"padding:24px 12px\">\n<table role=\"presentation\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" style=\"max-width:600px;background-color:#ffffff;border-radius:8px;text-align:start\">\n<tr><td style=\"padding:24px 32px 0;color:#5b6475;font-size:14px;letter-spacing:0.04em\">")
	w.WriteString(escaped(s.Shop))
	w.WriteString("</td></tr>\n<tr><td style=\"padding:4px 32px 0\"><h1 style=\"margin:0;font-size:24px;line-height:1.3;color:#1d2330\">Your order was cancelled</h1></td></tr>\n<tr><td style=\"padding:16px 32px 28px;color:#1d2330\"><p style=\"margin:0 0 12px\">Hello ")
	w.WriteString(escaped(s.Name))
	w.WriteString(",</p>\n<p style=\"margin:0 0 12px\">Your order was cancelled. ")
	w.WriteString(escaped(s.Reason))
	w.WriteString("</p>\n<table width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" style=\"margin:20px 0;border-collapse:collapse;font-size:15px\">\n")
	for _, e1 := range s.Lines {
		w.WriteString("<tr>\n<td style=\"padding:8px 0;border-bottom:1px solid #e3e6eb\">")
		w.WriteString(escaped(e1.SKU))
		for _, e2 := range e1.Adjustments {
			w.WriteString(", ")
			w.WriteString(escaped(e2.Name))
			if e2.Rate != "" {
				w.WriteString(" (")
				w.WriteString(escaped(e2.Rate))
				w.WriteString(")")
			}
			w.WriteString(" ")
			w.WriteString(escaped(e2.Amount))
		}
		w.WriteString("</td>\n<td align=\"right\" style=\"padding:8px 12px;border-bottom:1px solid #e3e6eb;white-space:nowrap;color:#5b6475\">")
		w.WriteString(strconv.FormatInt(e1.Quantity, 10))
		w.WriteString(" × ")
		w.WriteString(escaped(e1.UnitPrice))
		w.WriteString("</td>\n<td align=\"right\" style=\"padding:8px 0;border-bottom:1px solid #e3e6eb;white-space:nowrap\">")
		w.WriteString(escaped(e1.Price))
		w.WriteString("</td>\n</tr>\n")
	}
	w.WriteString("<tr>\n<td colspan=\"2\" style=\"padding:10px 0;font-weight:bold\">Total</td>\n<td align=\"right\" style=\"padding:10px 0;font-weight:bold;white-space:nowrap\">")
	w.WriteString(escaped(s.Total))
	w.WriteString("</td>\n</tr>\n</table>\n<p style=\"margin:0 0 12px\">Whatever was charged for it was paid back to your account.</p></td></tr>\n</table>\n<p style=\"max-width:600px;margin:16px 0 0;color:#5b6475;font-size:13px\">")
	w.WriteString(escaped(s.Shop))
	if s.OrderID != "" {
		w.WriteString(" · ")
		w.WriteString(escaped(s.OrderID))
	}
	w.WriteString("</p>\n</td></tr>\n</table>\n</body>\n</html>\n")
	return w.String()
}

func subjectOrderRefunded(s shown) string {
	var w strings.Builder
	w.WriteString("A refund for your order ")
	w.WriteString(s.Short)
	return w.String()
}

func textOrderRefunded(s shown) string {
	var w strings.Builder
	w.WriteString("Hello ")
	w.WriteString(s.Name)
	w.WriteString(",\n\nWe paid ")
	w.WriteString(s.Total)
	w.WriteString(" back to your account.\n")
	w.WriteString(s.Reason)
	w.WriteString("\n\n")
	for _, e1 := range s.Parts {
		w.WriteString("  ")
		w.WriteString(e1.What)
		w.WriteString(": ")
		w.WriteString(e1.Amount)
		w.WriteString("\n")
	}
	w.WriteString("  Total: ")
	w.WriteString(s.Total)
	w.WriteString("\n\n-- \n")
	w.WriteString(s.Shop)
	if s.OrderID != "" {
		w.WriteString(" · ")
		w.WriteString(s.OrderID)
	}
	w.WriteString("\n")
	return w.String()
}

func htmlOrderRefunded(s shown) string {
	var w strings.Builder
	w.WriteString("<!DOCTYPE html>\n<html lang=\"")
	w.WriteString(escaped(s.Language))
	w.WriteString("\">\n<head>\n<meta charset=\"utf-8\"/>\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<meta name=\"color-scheme\" content=\"light dark\"/>\n<title>A refund for your order</title>\n</head>\n<body style=\"margin:0;padding:0;background-color:#f2f3f5;color:#1d2330;font-family:system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;font-size:16px;line-height:1.5\">\n<table role=\"presentation\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" style=\"background-color:#f2f3f5\">\n<tr><td align=\"center\" style=\"padding:24px 12px\">\n<table role=\"presentation\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" style=\"max-width:600px;background-color:#ffffff;border-radius:8px;text-align:start\">\n<tr><td style=\"padding:24px 32px 0;color:#5b6475;font-size:14px;letter-spacing:0.04em\">")
	w.WriteString(escaped(s.Shop))
	w.WriteString("</td></tr>\n<tr><td style=\"padding:4px 32px 0\"><h1 style=\"margin:0;font-size:24px;line-height:1.3;color:#1d2330\">A refund for your order</h1></td></tr>\n<tr><td style=\"padding:16px 32px 28px;color:#1d2330\"><p style=\"margin:0 0 12px\">Hello ")
	w.WriteString(escaped(s.Name))
	w.WriteString(",</p>\n<p style=\"margin:0 0 12px\">We paid ")
	w.WriteString(escaped(s.Total))
	w.WriteString(" back to your account. ")
	w.WriteString(escaped(s.Reason))
	w.WriteString("</p>\n<table width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" style=\"margin:20px 0;border-collapse:collapse;font-size:15px\">\n")
	for _, e1 := range s.Parts {
		w.WriteString("<tr>\n<td style=\"padding:8px 0;border-bottom:1px solid #e3e6eb\">")
		w.WriteString(escaped(e1.What))
		w.WriteString("</td>\n<td align=\"right\" style=\"padding:8px 0;border-bottom:1px solid #e3e6eb;white-space:nowrap\">")
		w.WriteString(escaped(e1.Amount))
		w.WriteString("</td>\n</tr>\n")
	}
	w.WriteString("<tr>\n<td style=\"padding:10px 0;font-weight:bold\">Total</td>\n<td align=\"right\" style=\"padding:10px 0;font-weight:bold;white-space:nowrap\">")
	w.WriteString(escaped(s.Total))
	w.WriteString("</td>\n</tr>\n</table></td></tr>\n</table>\n<p style=\"max-width:600px;margin:16px 0 0;color:#5b6475;font-size:13px\">")
	w.WriteString(escaped(s.Shop))
	if s.OrderID != "" {
		w.WriteString(" · ")
		w.WriteString(escaped(s.OrderID))
	}
	w.WriteString("</p>\n</td></tr>\n</table>\n</body>\n</html>\n")
	return w.String()
}

func subjectOrderBackordered(s shown) string {
	var w strings.Builder
	w.WriteString("Your order ")
	w.WriteString(s.Short)
	w.WriteString(" waits for stock")
	return w.String()
}

func textOrderBackordered(s shown) string {
	var w strings.Builder
	w.WriteString("Hello ")
	w.WriteString(s.Name)
	w.WriteString(",\n\nYour order waits for stock.\nNot all of it is in stock: ")
	w.WriteString(s.Missing)
	w.WriteString(".\n\n")
	for _, e1 := range s.Lines {
		w.WriteString("  ")
		w.WriteString(strconv.FormatInt(e1.Quantity, 10))
		w.WriteString(" × ")
		w.WriteString(e1.SKU)
		w.WriteString(" at ")
		w.WriteString(e1.UnitPrice)
		for _, e2 := range e1.Adjustments {
			w.WriteString(", ")
			w.WriteString(e2.Name)
			if e2.Rate != "" {
				w.WriteString(" (")
				w.WriteString(e2.Rate)
				w.WriteString(")")
			}
			w.WriteString(" ")
			w.WriteString(e2.Amount)
		}
		w.WriteString(": ")
		w.WriteString(e1.Price)
		w.WriteString("\n")
	}
	w.WriteString("  Total: ")
	w.WriteString(s.Total)
	w.WriteString("\n\nWe send it as soon as all of it is there. You pay nothing until then, and can\ncancel it at any time. If it is not there by ")
	w.WriteString(s.Until)
	w.WriteString(", we cancel it.\n\n-- \n")
	w.WriteString(s.Shop)
	if s.OrderID != "" {
		w.WriteString(" · ")
		w.WriteString(s.OrderID)
	}
	w.WriteString("\n")
	return w.String()
}

func htmlOrderBackordered(s shown) string {
	var w strings.Builder
	w.WriteString("<!DOCTYPE html>\n<html lang=\"")
	w.WriteString(escaped(s.Language))
	w.WriteString("\">\n<head>\n<meta charset=\"utf-8\"/>\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<meta name=\"color-scheme\" content=\"light dark\"/>\n<title>Your order waits for stock</title>\n</head>\n<body style=\"margin:0;padding:0;background-color:#f2f3f5;color:#1d2330;font-family:system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;font-size:16px;line-height:1.5\">\n<table role=\"presentation\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" style=\"background-color:#f2f3f5\">\n<tr><td align=\"center\" style=\"padding:24px 12px\">\n<table role=\"presentation\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" style=\"max-width:600px;background-color:#ffffff;border-radius:8px;text-align:start\">\n<tr><td style=\"padding:24px 32px 0;color:#5b6475;font-size:14px;letter-spacing:0.04em\">")
	w.WriteString(escaped(s.Shop))
	w.WriteString("</td></tr>\n<tr><td style=\"padding:4px 32px 0\"><h1 style=\"margin:0;font-size:24px;line-height:1.3;color:#1d2330\">Your order waits for stock</h1></td></tr>\n<tr><td style=\"padding:16px 32px 28px;color:#1d2330\"><p style=\"margin:0 0 12px\">Hello ")
	w.WriteString(escaped(s.Name))
	w.WriteString(",</p>\n<p style=\"margin:0 0 12px\">Your order waits for stock. Not all of it is in stock: ")
	w.WriteString(escaped(s.Missing))
	w.WriteString(".</p>\n<table width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" style=\"margin:20px 0;border-collapse:collapse;font-size:15px\">\n")
	for _, e1 := range s.Lines {
		w.WriteString("<tr>\n<td style=\"padding:8px 0;border-bottom:1px solid #e3e6eb\">")
		w.WriteString(escaped(e1.SKU))
		for _, e2 := range e1.Adjustments {
			w.WriteString(", ")
			w.WriteString(escaped(e2.Name))
			if e2.Rate != "" {
				w.WriteString(" (")
				w.WriteString(escaped(e2.Rate))
				w.WriteString(")")
			}
			w.WriteString(" ")
			w.WriteString(escaped(e2.Amount))
		}
		w.WriteString("</td>\n<td align=\"right\" style=\"padding:8px 12px;border-bottom:1px solid #e3e6eb;white-space:nowrap;color:#5b6475\">")
		w.WriteString(strconv.FormatInt(e1.Quantity, 10))
		w.WriteString(" × ")
		w.WriteString(escaped(e1.UnitPrice))
		w.WriteString("</td>\n<td align=\"right\" style=\"padding:8px 0;border-bottom:1px solid #e3e6eb;white-space:nowrap\">")
		w.WriteString(escaped(e1.Price))
		w.WriteString("</td>\n</tr>\n")
	}
	w.WriteString("<tr>\n<td colspan=\"2\" style=\"padding:10px 0;font-weight:bold\">Total</td>\n<td align=\"right\" style=\"padding:10px 0;font-weight:bold;white-space:nowrap\">")
	w.WriteString(escaped(s.Total))
	w.WriteString("</td>\n</tr>\n</table>\n<p style=\"margin:0 0 12px\">We send it as soon as all of it is there. You pay nothing until then, and can cancel it at any time. If it is not there by ")
	w.WriteString(escaped(s.Until))
	w.WriteString(", we cancel it.</p></td></tr>\n</table>\n<p style=\"max-width:600px;margin:16px 0 0;color:#5b6475;font-size:13px\">")
	w.WriteString(escaped(s.Shop))
	if s.OrderID != "" {
		w.WriteString(" · ")
		w.WriteString(escaped(s.OrderID))
	}
	w.WriteString("</p>\n</td></tr>\n</table>\n</body>\n</html>\n")
	return w.String()
}

func subjectOrderPaymentRequired(s shown) string {
	var w strings.Builder
	w.WriteString("Your order ")
	w.WriteString(s.Short)
	w.WriteString(" is not paid yet")
	return w.String()
}

func textOrderPaymentRequired(s shown) string {
	var w strings.Builder
	w.WriteString("Hello ")
	w.WriteString(s.Name)
	w.WriteString(",\n\nYour order is not paid yet.\n")
	w.WriteString(s.Reason)
	w.WriteString("\n\n")
	for _, e1 := range s.Lines {
		w.WriteString("  ")
		w.WriteString(strconv.FormatInt(e1.Quantity, 10))
		w.WriteString(" × ")
		w.WriteString(e1.SKU)
		w.WriteString(" at ")
		w.WriteString(e1.UnitPrice)
		for _, e2 := range e1.Adjustments {
			w.WriteString(", ")
			w.WriteString(e2.Name)
			if e2.Rate != "" {
				w.WriteString(" (")
				w.WriteString(e2.Rate)
				w.WriteString(")")
			}
			w.WriteString(" ")
			w.WriteString(e2.Amount)
		}
		w.WriteString(": ")
		w.WriteString(e1.Price)
		w.WriteString("\n")
	}
	w.WriteString("  Total: ")
	w.WriteString(s.Total)
	w.WriteString("\n\nWe keep what you ordered until ")
	w.WriteString(s.Until)
	w.WriteString(". Pay in what is missing, or choose\nanother account, and pay the order again until then. After that we cancel it.\n\n-- \n")
	w.WriteString(s.Shop)
	if s.OrderID != "" {
		w.WriteString(" · ")
		w.WriteString(s.OrderID)
	}
	w.WriteString("\n")
	return w.String()
}

func htmlOrderPaymentRequired(s shown) string {
	var w strings.Builder
	w.WriteString("<!DOCTYPE html>\n<html lang=\"")
	w.WriteString(escaped(s.Language))
	w.WriteString("\">\n<head>\n<meta charset=\"utf-8\"/>\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<meta name=\"color-scheme\" content=\"light dark\"/>\n<title>Your order is not paid yet</title>\n</head>\n<body style=\"margin:0;padding:0;background-color:#f2f3f5;color:#1d2330;font-family:system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;font-size:16px;line-height:1.5\">\n<table role=\"presentation\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" style=\"background-color:#f2f3f5\">\n<tr><td align=\"center\" style=\"padding:24px 12px\">\n<table role=\"presentation\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" style=\"max-width:600px;background-color:#ffffff;border-radius:8px;text-align:start\">\n<tr><td style=\"padding:24px 32px 0;color:#5b6475;font-size:14px;letter-spacing:0.04em\">")
	w.WriteString(escaped(s.Shop))
	w.WriteString("</td></tr>\n<tr><td style=\"padding:4px 32px 0\"><h1 style=\"margin:0;font-size:24px;line-height:1.3;color:#1d2330\">Your order is not paid yet</h1></td></tr>\n<tr><td style=\"padding:16px 32px 28px;color:#1d2330\"><p style=\"margin:0 0 12px\">Hello ")
	w.WriteString(escaped(s.Name))
	w.WriteString(",</p>\n<p style=\"margin:0 0 12px\">Your order is not paid yet. ")
	w.WriteString(escaped(s.Reason))
	w.WriteString("</p>\n<table width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" style=\"margin:20px 0;border-collapse:collapse;font-size:15px\">\n")
	for _, e1 := range s.Lines {
		w.WriteString("<tr>\n<td style=\"padding:8px 0;border-bottom:1px solid #e3e6eb\">")
		w.WriteString(escaped(e1.SKU))
		for _, e2 := range e1.Adjustments {
			w.WriteString(", ")
			w.WriteString(escaped(e2.Name))
			if e2.Rate != "" {
				w.WriteString(" (")
				w.WriteString(escaped(e2.Rate))
				w.WriteString(")")
			}
			w.WriteString(" ")
			w.WriteString(escaped(e2.Amount))
		}
		w.WriteString("</td>\n<td align=\"right\" style=\"padding:8px 12px;border-bottom:1px solid #e3e6eb;white-space:nowrap;color:#5b6475\">")
		w.WriteString(strconv.FormatInt(e1.Quantity, 10))
		w.WriteString(" × ")
		w.WriteString(escaped(e1.UnitPrice))
		w.WriteString("</td>\n<td align=\"right\" style=\"padding:8px 0;border-bottom:1px solid #e3e6eb;white-space:nowrap\">")
		w.WriteString(escaped(e1.Price))
		w.WriteString("</td>\n</tr>\n")
	}
	w.WriteString("<tr>\n<td colspan=\"2\" style=\"padding:10px 0;font-weight:bold\">Total</td>\n<td align=\"right\" style=\"padding:10px 0;font-weight:bold;white-space:nowrap\">")
	w.WriteString(escaped(s.Total))
	w.WriteString("</td>\n</tr>\n</table>\n<p style=\"margin:0 0 12px\">We keep what you ordered until ")
	w.WriteString(escaped(s.Until))
	w.WriteString(". Pay in what is missing, or choose another account, and pay the order again until then. After that we cancel it.</p></td></tr>\n</table>\n<p style=\"max-width:600px;margin:16px 0 0;color:#5b6475;font-size:13px\">")
	w.WriteString(escaped(s.Shop))
	if s.OrderID != "" {
		w.WriteString(" · ")
		w.WriteString(escaped(s.OrderID))
	}
	w.WriteString("</p>\n</td></tr>\n</table>\n</body>\n</html>\n")
	return w.String()
}

func subjectOrderHeld(s shown) string {
	var w strings.Builder
	w.WriteString("We check your order ")
	w.WriteString(s.Short)
	return w.String()
}

func textOrderHeld(s shown) string {
	var w strings.Builder
	w.WriteString("Hello ")
	w.WriteString(s.Name)
	w.WriteString(",\n\nSomebody of us looks at your order before it goes on. You need not do anything.\nWe write when it is confirmed. If it has not gone on by ")
	w.WriteString(s.Until)
	w.WriteString(",\nwe cancel it, and you pay nothing.\n\n-- \n")
	w.WriteString(s.Shop)
	if s.OrderID != "" {
		w.WriteString(" · ")
		w.WriteString(s.OrderID)
	}
	w.WriteString("\n")
	return w.String()
}

func htmlOrderHeld(s shown) string {
	var w strings.Builder
	w.WriteString("<!DOCTYPE html>\n<html lang=\"")
	w.WriteString(escaped(s.Language))
	w.WriteString("\">\n<head>\n<meta charset=\"utf-8\"/>\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<meta name=\"color-scheme\" content=\"light dark\"/>\n<title>We check your order</title>\n</head>\n<body style=\"margin:0;padding:0;background-color:#f2f3f5;color:#1d2330;font-family:system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;font-size:16px;line-height:1.5\">\n<table role=\"presentation\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" style=\"background-color:#f2f3f5\">\n<tr><td align=\"center\" style=\"padding:24px 12px\">\n<table role=\"presentation\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" style=\"max-width:600px;background-color:#ffffff;border-radius:8px;text-align:start\">\n<tr><td style=\"padding:24px 32px 0;color:#5b6475;font-size:14px;letter-spacing:0.04em\">")
	w.WriteString(escaped(s.Shop))
	w.WriteString("</td></tr>\n<tr><td style=\"padding:4px 32px 0\"><h1 style=\"margin:0;font-size:24px;line-height:1.3;color:#1d2330\">We check your order</h1></td></tr>\n<tr><td style=\"padding:16px 32px 28px;color:#1d2330\"><p style=\"margin:0 0 12px\">Hello ")
	w.WriteString(escaped(s.Name))
	w.WriteString(",</p>\n<p style=\"margin:0 0 12px\">Somebody of us looks at your order before it goes on. You need not do anything. We write when it is confirmed. If it has not gone on by ")
	w.WriteString(escaped(s.Until))
	w.WriteString(", we cancel it, and you pay nothing.</p></td></tr>\n</table>\n<p style=\"max-width:600px;margin:16px 0 0;color:#5b6475;font-size:13px\">")
	w.WriteString(escaped(s.Shop))
	if s.OrderID != "" {
		w.WriteString(" · ")
		w.WriteString(escaped(s.OrderID))
	}
	w.WriteString("</p>\n</td></tr>\n</table>\n</body>\n</html>\n")
	return w.String()
}

func subjectOrderAmended(s shown) string {
	var w strings.Builder
	w.WriteString("Your order ")
	w.WriteString(s.Short)
	w.WriteString(" is changed")
	return w.String()
}

func textOrderAmended(s shown) string {
	var w strings.Builder
	w.WriteString("Hello ")
	w.WriteString(s.Name)
	w.WriteString(",\n\nYour order is changed. This is what stands now.\n\n")
	for _, e1 := range s.Lines {
		w.WriteString("  ")
		w.WriteString(strconv.FormatInt(e1.Quantity, 10))
		w.WriteString(" × ")
		w.WriteString(e1.SKU)
		w.WriteString(" at ")
		w.WriteString(e1.UnitPrice)
		for _, e2 := range e1.Adjustments {
			w.WriteString(", ")
			w.WriteString(e2.Name)
			if e2.Rate != "" {
				w.WriteString(" (")
				w.WriteString(e2.Rate)
				w.WriteString(")")
			}
			w.WriteString(" ")
			w.WriteString(e2.Amount)
		}
		w.WriteString(": ")
		w.WriteString(e1.Price)
		w.WriteString("\n")
	}
	w.WriteString("  Total: ")
	w.WriteString(s.Total)
	w.WriteString("\n\n")
	if s.More != "" {
		w.WriteString("That is ")
		w.WriteString(s.More)
		w.WriteString(" more than before. If the order was paid, your account paid that too.\n")
	}
	if s.Less != "" {
		w.WriteString("That is ")
		w.WriteString(s.Less)
		w.WriteString(" less than before. If the order was paid, your account has that back.\n")
	}
	if s.Elsewhere != "" {
		w.WriteString(s.Elsewhere)
		w.WriteString("\n")
	}
	w.WriteString("\n-- \n")
	w.WriteString(s.Shop)
	if s.OrderID != "" {
		w.WriteString(" · ")
		w.WriteString(s.OrderID)
	}
	w.WriteString("\n")
	return w.String()
}

func htmlOrderAmended(s shown) string {
	var w strings.Builder
	w.WriteString("<!DOCTYPE html>\n<html lang=\"")
	w.WriteString(escaped(s.Language))
	w.WriteString("\">\n<head>\n<meta charset=\"utf-8\"/>\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<meta name=\"color-scheme\" content=\"light dark\"/>\n<title>Your order is changed</title>\n</head>\n<body style=\"margin:0;padding:0;background-color:#f2f3f5;color:#1d2330;font-family:system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;font-size:16px;line-height:1.5\">\n<table role=\"presentation\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" style=\"background-color:#f2f3f5\">\n<tr><td align=\"center\" style=\"padding:24px 12px\">\n<table role=\"presentation\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" style=\"max-width:600px;background-color:#ffffff;border-radius:8px;text-align:start\">\n<tr><td style=\"padding:24px 32px 0;color:#5b6475;font-size:14px;letter-spacing:0.04em\">")
	w.WriteString(escaped(s.Shop))
	w.WriteString("</td></tr>\n<tr><td style=\"padding:4px 32px 0\"><h1 style=\"margin:0;font-size:24px;line-height:1.3;color:#1d2330\">Your order is changed</h1></td></tr>\n<tr><td style=\"padding:16px 32px 28px;color:#1d2330\"><p style=\"margin:0 0 12px\">Hello ")
	w.WriteString(escaped(s.Name))
	w.WriteString(",</p>\n<p style=\"margin:0 0 12px\">Your order is changed. This is what stands now.</p>\n<table width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" style=\"margin:20px 0;border-collapse:collapse;font-size:15px\">\n")
	for _, e1 := range s.Lines {
		w.WriteString("<tr>\n<td style=\"padding:8px 0;border-bottom:1px solid #e3e6eb\">")
		w.WriteString(escaped(e1.SKU))
		for _, e2 := range e1.Adjustments {
			w.WriteString(", ")
			w.WriteString(escaped(e2.Name))
			if e2.Rate != "" {
				w.WriteString(" (")
				w.WriteString(escaped(e2.Rate))
				w.WriteString(")")
			}
			w.WriteString(" ")
			w.WriteString(escaped(e2.Amount))
		}
		w.WriteString("</td>\n<td align=\"right\" style=\"padding:8px 12px;border-bottom:1px solid #e3e6eb;white-space:nowrap;color:#5b6475\">")
		w.WriteString(strconv.FormatInt(e1.Quantity, 10))
		w.WriteString(" × ")
		w.WriteString(escaped(e1.UnitPrice))
		w.WriteString("</td>\n<td align=\"right\" style=\"padding:8px 0;border-bottom:1px solid #e3e6eb;white-space:nowrap\">")
		w.WriteString(escaped(e1.Price))
		w.WriteString("</td>\n</tr>\n")
	}
	w.WriteString("<tr>\n<td colspan=\"2\" style=\"padding:10px 0;font-weight:bold\">Total</td>\n<td align=\"right\" style=\"padding:10px 0;font-weight:bold;white-space:nowrap\">")
	w.WriteString(escaped(s.Total))
	w.WriteString("</td>\n</tr>\n</table>\n")
	if s.More != "" {
		w.WriteString("<p style=\"margin:0 0 12px\">That is ")
		w.WriteString(escaped(s.More))
		w.WriteString(" more than before. If the order was paid, your account paid that too.</p>\n")
	}
	if s.Less != "" {
		w.WriteString("<p style=\"margin:0 0 12px\">That is ")
		w.WriteString(escaped(s.Less))
		w.WriteString(" less than before. If the order was paid, your account has that back.</p>\n")
	}
	if s.Elsewhere != "" {
		w.WriteString("<p style=\"margin:0 0 12px\">")
		w.WriteString(escaped(s.Elsewhere))
		w.WriteString("</p>")
	}
	w.WriteString("</td></tr>\n</table>\n<p style=\"max-width:600px;margin:16px 0 0;color:#5b6475;font-size:13px\">")
	w.WriteString(escaped(s.Shop))
	if s.OrderID != "" {
		w.WriteString(" · ")
		w.WriteString(escaped(s.OrderID))
	}
	w.WriteString("</p>\n</td></tr>\n</table>\n</body>\n</html>\n")
	return w.String()
}

func subjectOrderPartial(s shown) string {
	var w strings.Builder
	w.WriteString("Part of your order ")
	w.WriteString(s.Short)
	w.WriteString(" is not in stock")
	return w.String()
}

func textOrderPartial(s shown) string {
	var w strings.Builder
	w.WriteString("Hello ")
	w.WriteString(s.Name)
	w.WriteString(",\n\nPart of your order is not in stock: ")
	w.WriteString(s.Missing)
	w.WriteString(".\nYour order goes on without it, and you don't pay for it. This is what we send.\n\n")
	for _, e1 := range s.Lines {
		w.WriteString("  ")
		w.WriteString(strconv.FormatInt(e1.Quantity, 10))
		w.WriteString(" × ")
		w.WriteString(e1.SKU)
		w.WriteString(" at ")
		w.WriteString(e1.UnitPrice)
		for _, e2 := range e1.Adjustments {
			w.WriteString(", ")
			w.WriteString(e2.Name)
			if e2.Rate != "" {
				w.WriteString(" (")
				w.WriteString(e2.Rate)
				w.WriteString(")")
			}
			w.WriteString(" ")
			w.WriteString(e2.Amount)
		}
		w.WriteString(": ")
		w.WriteString(e1.Price)
		w.WriteString("\n")
	}
	w.WriteString("  Total: ")
	w.WriteString(s.Total)
	w.WriteString("\n")
	if s.Rest != "" {
		w.WriteString("\n")
		w.WriteString(s.Rest)
		w.WriteString("\n")
	}
	w.WriteString("\n-- \n")
	w.WriteString(s.Shop)
	if s.OrderID != "" {
		w.WriteString(" · ")
		w.WriteString(s.OrderID)
	}
	w.WriteString("\n")
	return w.String()
}

func htmlOrderPartial(s shown) string {
	var w strings.Builder
	w.WriteString("<!DOCTYPE html>\n<html lang=\"")
	w.WriteString(escaped(s.Language))
	w.WriteString("\">\n<head>\n<meta charset=\"utf-8\"/>\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<meta name=\"color-scheme\" content=\"light dark\"/>\n<title>Part of your order is not in stock</title>\n</head>\n<body style=\"margin:0;padding:0;background-color:#f2f3f5;color:#1d2330;font-family:system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;font-size:16px;line-height:1.5\">\n<table role=\"presentation\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" style=\"background-color:#f2f3f5\">\n<tr><td align=\"center\" style=\"padding:24px 12px\">\n<table role=\"presentation\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" style=\"max-width:600px;background-color:#ffffff;border-radius:8px;text-align:start\">\n<tr><td style=\"padding:24px 32px 0;color:#5b6475;font-size:14px;letter-spacing:0.04em\">")
	w.WriteString(escaped(s.Shop))
	w.WriteString("</td></tr>\n<tr><td style=\"padding:4px 32px 0\"><h1 style=\"margin:0;font-size:24px;line-height:1.3;color:#1d2330\">Part of your order is not in stock</h1></td></tr>\n<tr><td style=\"padding:16px 32px 28px;color:#1d2330\"><p style=\"margin:0 0 12px\">Hello ")
	w.WriteString(escaped(s.Name))
	w.WriteString(",</p>\n<p style=\"margin:0 0 12px\">Part of your order is not in stock: ")
	w.WriteString(escaped(s.Missing))
	w.WriteString(". Your order goes on without it, and you don't pay for it. This is what we send.</p>\n<table width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" style=\"margin:20px 0;border-collapse:collapse;font-size:15px\">\n")
	for _, e1 := range s.Lines {
		w.WriteString("<tr>\n<td style=\"padding:8px 0;border-bottom:1px solid #e3e6eb\">")
		w.WriteString(escaped(e1.SKU))
		for _, e2 := range e1.Adjustments {
			w.WriteString(", ")
			w.WriteString(escaped(e2.Name))
			if e2.Rate != "" {
				w.WriteString(" (")
				w.WriteString(escaped(e2.Rate))
				w.WriteString(")")
			}
			w.WriteString(" ")
			w.WriteString(escaped(e2.Amount))
		}
		w.WriteString("</td>\n<td align=\"right\" style=\"padding:8px 12px;border-bottom:1px solid #e3e6eb;white-space:nowrap;color:#5b6475\">")
		w.WriteString(strconv.FormatInt(e1.Quantity, 10))
		w.WriteString(" × ")
		w.WriteString(escaped(e1.UnitPrice))
		w.WriteString("</td>\n<td align=\"right\" style=\"padding:8px 0;border-bottom:1px solid #e3e6eb;white-space:nowrap\">")
		w.WriteString(escaped(e1.Price))
		w.WriteString("</td>\n</tr>\n")
	}
	w.WriteString("<tr>\n<td colspan=\"2\" style=\"padding:10px 0;font-weight:bold\">Total</td>\n<td align=\"right\" style=\"padding:10px 0;font-weight:bold;white-space:nowrap\">")
	w.WriteString(escaped(s.Total))
	w.WriteString("</td>\n</tr>\n</table>")
	if s.Rest != "" {
		w.WriteString("\n<p style=\"margin:0 0 12px\">")
		w.WriteString(escaped(s.Rest))
		w.WriteString("</p>")
	}
	w.WriteString("</td></tr>\n</table>\n<p style=\"max-width:600px;margin:16px 0 0;color:#5b6475;font-size:13px\">")
	w.WriteString(escaped(s.Shop))
	if s.OrderID != "" {
		w.WriteString(" · ")
		w.WriteString(escaped(s.OrderID))
	}
	w.WriteString("</p>\n</td></tr>\n</table>\n</body>\n</html>\n")
	return w.String()
}

func subjectOrderRest(s shown) string {
	var w strings.Builder
	w.WriteString("The rest of your order ")
	w.WriteString(s.RestOf)
	w.WriteString(" waits")
	return w.String()
}

func textOrderRest(s shown) string {
	var w strings.Builder
	w.WriteString("Hello ")
	w.WriteString(s.Name)
	w.WriteString(",\n\nWhat was not in stock of your order ")
	w.WriteString(s.RestOf)
	w.WriteString(" is an order of its own now.\nWe send it as soon as it is there, and you pay for it then. You can cancel it\nat any time.\n\n")
	for _, e1 := range s.Lines {
		w.WriteString("  ")
		w.WriteString(strconv.FormatInt(e1.Quantity, 10))
		w.WriteString(" × ")
		w.WriteString(e1.SKU)
		w.WriteString(" at ")
		w.WriteString(e1.UnitPrice)
		for _, e2 := range e1.Adjustments {
			w.WriteString(", ")
			w.WriteString(e2.Name)
			if e2.Rate != "" {
				w.WriteString(" (")
				w.WriteString(e2.Rate)
				w.WriteString(")")
			}
			w.WriteString(" ")
			w.WriteString(e2.Amount)
		}
		w.WriteString(": ")
		w.WriteString(e1.Price)
		w.WriteString("\n")
	}
	w.WriteString("  Total: ")
	w.WriteString(s.Total)
	w.WriteString("\n\n-- \n")
	w.WriteString(s.Shop)
	if s.OrderID != "" {
		w.WriteString(" · ")
		w.WriteString(s.OrderID)
	}
	w.WriteString("\n")
	return w.String()
}

func htmlOrderRest(s shown) string {
	var w strings.Builder
	w.WriteString("<!DOCTYPE html>\n<html lang=\"")
	w.WriteString(escaped(s.Language))
	w.WriteString("\">\n<head>\n<meta charset=\"utf-8\"/>\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<meta name=\"color-scheme\" content=\"light dark\"/>\n<title>The rest of your order waits</title>\n</head>\n<body style=\"margin:0;padding:0;background-color:#f2f3f5;color:#1d2330;font-family:system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;font-size:16px;line-height:1.5\">\n<table role=\"presentation\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" style=\"background-color:#f2f3f5\">\n<tr><td align=\"center\" style=\"padding:24px 12px\">\n<table role=\"presentation\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" style=\"max-width:600px;background-color:#ffffff;border-radius:8px;text-align:start\">\n<tr><td style=\"padding:24px 32px 0;color:#5b6475;font-size:14px;letter-spacing:0.04em\">")
	w.WriteString(escaped(s.Shop))
	w.WriteString("</td></tr>\n<tr><td style=\"padding:4px 32px 0\"><h1 style=\"margin:0;font-size:24px;line-height:1.3;color:#1d2330\">The rest of your order waits</h1></td></tr>\n<tr><td style=\"padding:16px 32px 28px;color:#1d2330\"><p style=\"margin:0 0 12px\">Hello ")
	w.WriteString(escaped(s.Name))
	w.WriteString(",</p>\n<p style=\"margin:0 0 12px\">What was not in stock of your order ")
	w.WriteString(escaped(s.RestOf))
	w.WriteString(" is an order of its own now. We send it as soon as it is there, and you pay for it then. You can cancel it at any time.</p>\n<table width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" style=\"margin:20px 0;border-collapse:collapse;font-size:15px\">\n")
	for _, e1 := range s.Lines {
		w.WriteString("<tr>\n<td style=\"padding:8px 0;border-bottom:1px solid #e3e6eb\">")
		w.WriteString(escaped(e1.SKU))
		for _, e2 := range e1.Adjustments {
			w.WriteString(", ")
			w.WriteString(escaped(e2.Name))
			if e2.Rate != "" {
				w.WriteString(" (")
				w.WriteString(escaped(e2.Rate))
				w.WriteString(")")
			}
			w.WriteString(" ")
			w.WriteString(escaped(e2.Amount))
		}
		w.WriteString("</td>\n<td align=\"right\" style=\"padding:8px 12px;border-bottom:1px solid #e3e6eb;white-space:nowrap;color:#5b6475\">")
		w.WriteString(strconv.FormatInt(e1.Quantity, 10))
		w.WriteString(" × ")
		w.WriteString(escaped(e1.UnitPrice))
		w.WriteString("</td>\n<td align=\"right\" style=\"padding:8px 0;border-bottom:1px solid #e3e6eb;white-space:nowrap\">")
		w.WriteString(escaped(e1.Price))
		w.WriteString("</td>\n</tr>\n")
	}
	w.WriteString("<tr>\n<td colspan=\"2\" style=\"padding:10px 0;font-weight:bold\">Total</td>\n<td align=\"right\" style=\"padding:10px 0;font-weight:bold;white-space:nowrap\">")
	w.WriteString(escaped(s.Total))
	w.WriteString("</td>\n</tr>\n</table></td></tr>\n</table>\n<p style=\"max-width:600px;margin:16px 0 0;color:#5b6475;font-size:13px\">")
	w.WriteString(escaped(s.Shop))
	if s.OrderID != "" {
		w.WriteString(" · ")
		w.WriteString(escaped(s.OrderID))
	}
	w.WriteString("</p>\n</td></tr>\n</table>\n</body>\n</html>\n")
	return w.String()
}
