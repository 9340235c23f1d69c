package catalog

import (
	"fmt"
	"slices"
	"time"

	"orderflow/shared/contract"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/ident"
	"orderflow/shared/shop/account"
	"orderflow/shared/shop/customer"
	"orderflow/shared/shop/goods"
	"orderflow/shared/shop/money"
	"orderflow/shared/shop/order"
	"orderflow/shared/shop/payment"
	"orderflow/shared/shop/personal"
	"orderflow/shared/shop/product"
	"orderflow/shared/shop/request"
	"orderflow/shared/shop/shipment"
	"orderflow/shared/shop/stock"
)

// The people and things of the samples.
var (
	customerID    = "ada"
	orderID       = ident.Derive(order.Category, customerID, "sample-1") // ends well
	otherID       = ident.Derive(order.Category, customerID, "sample-2") // is undone
	accountID     = account.ID(customerID, "USD")
	openingID     = ident.Derive(account.OpeningCategory, customerID, "sample")
	depositID     = account.DepositID(accountID, "sample")
	withdrawalID  = account.WithdrawalID(accountID, "sample")
	otherAccount  = account.ID("bob", "USD")
	transferID    = account.TransferID(accountID, "sample")
	interestID    = account.InterestID(accountID, "sample")
	paymentID     = payment.ID(orderID, 1)
	otherPayment  = payment.ID(otherID, 1)
	reservationID = stock.ReservationID(orderID, 1)
	otherReserved = stock.ReservationID(otherID, 1)
	shipmentID    = shipment.ID(orderID, 1)
	otherShipment = shipment.ID(otherID, 1)
	requestID     = request.ID("cancel-order", "customer/"+customerID, "sample")
	sagaARN       = "arn:aws:states:us-east-1:123456789012:execution:order-saga:"

	// Ciphertext has this shape; these bytes open under no key.
	sealed = personal.Sealed("pd1:c2FtcGxlIG5vbmNlLi4uc2FtcGxlIGNpcGhlcnRleHQ=")
)

func usd(cents int64) money.Money { return money.Money{Amount: cents, Currency: "USD"} }

// fixture is a stored event and its place.
type fixture struct {
	stream  es.StreamID
	version int64
	event   any
}

// Fixtures is one stored event of each type that is published, as a store gives it, and one more of
// a type that has gained fields since it was first stored. The samples are made of them.
func Fixtures() []es.Recorded {
	registry := contract.Registry()
	var out []es.Recorded
	for _, f := range slices.Concat(
		orderFixtures(), customerFixtures(), accountFixtures(), paymentFixtures(), stockFixtures(), shipmentFixtures(),
		productFixtures(), requestFixtures(), refundFixtures(),
	) {
		name, schema, ok := registry.Name(f.event)
		if !ok {
			panic(fmt.Sprintf("catalog: %T is not registered", f.event))
		}
		out = append(out, es.Recorded{
			Stream: f.stream, Version: f.version, Type: name, Schema: schema, Data: f.event,
			CommitID: ident.Derive("sample", string(f.stream), fmt.Sprint(f.version)),
			Time:     time.Date(2026, 3, 2, 9, 30, int(f.version), 0, time.UTC),
			Metadata: es.Metadata{
				CorrelationID: ident.Derive("sample-request", string(f.stream)),
				CausationID:   "request/" + ident.Derive("sample-request", string(f.stream)),
				Traceparent:   "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
				Actor:         "customer/" + customerID,
			},
		})
	}
	return out
}

func orderFixtures() []fixture {
	stream, other := es.NewStreamID(order.Category, orderID), es.NewStreamID(order.Category, otherID)
	return []fixture{
		{stream, 1, order.Placed{
			OrderID: orderID, CustomerID: customerID, AccountID: accountID,
			Lines: []order.Line{
				{SKU: "CD-0042", Quantity: 2, UnitPrice: usd(1177)},
				{SKU: "CD-0107", Quantity: 1, UnitPrice: usd(1499)},
			},
			Total: usd(3853), Address: sealed, Revision: 1, PlacedAt: "2026-03-02T09:30:01Z",
		}},
		{stream, 1, order.Placed{
			OrderID: orderID, CustomerID: customerID, AccountID: accountID, Lines: []order.Line{
				{
					SKU: "CD-0042", Quantity: 2, UnitPrice: usd(1250),
					Discount: &order.Adjustment{Name: "Voucher", Amount: usd(338)},
					Tax:      &order.Adjustment{Name: "Sales tax", Amount: usd(192), RatePPM: new(int64(88_750))},
				},
				{SKU: "CD-0107", Quantity: 1, UnitPrice: usd(1499)},
			},
			Total: usd(3853), Address: sealed, Revision: 1, PlacedAt: "2026-03-02T09:30:01Z",
			PricedBy: "pricing/" + ident.Derive("sample", "pricing"),
		}},
		{stream, 2, order.Started{SagaID: sagaARN + orderID}},
		{other, 2, order.Held{Rules: []string{"amount"}, Until: "2026-03-03T09:30:02Z"}},
		{other, 2, order.Parked{Token: "sample", SagaID: sagaARN + otherID}},
		{other, 3, order.Approved{By: "person/" + ident.Derive("sample", "operator"), Note: sealed}},
		{other, 4, order.Backordered{
			Revision: 1, Items: []goods.Item{{SKU: "CD-0042", Quantity: 1}}, Until: "2026-03-16T09:30:04Z",
		}},
		{other, 5, order.PaymentRequired{
			Revision: 1, Code: account.ErrInsufficientFunds.Code(), Detail: "the account does not hold USD 38.53",
			Until: "2026-03-02T10:00:05Z",
		}},
		{other, 6, order.PaymentRequested{AccountID: accountID, Revision: 2, By: "customer/" + customerID}},
		{
			stream, 3,
			order.Confirmed{
				SagaID: sagaARN + orderID, PaymentID: paymentID, ShipmentID: shipmentID,
				TrackingNumber: shipment.TrackingNumber(shipmentID),
			},
		},
		{stream, 4, order.Amended{
			Revision: 2,
			Lines: []order.Line{
				{SKU: "CD-0042", Quantity: 1, UnitPrice: usd(1177)},
				{SKU: "CD-0107", Quantity: 2, UnitPrice: usd(1499), ProductVersion: 3},
			},
			Total: usd(4175), Difference: usd(322), Added: []goods.Item{{SKU: "CD-0107", Quantity: 1}},
			Removed: []goods.Item{{SKU: "CD-0042", Quantity: 1}}, Address: sealed, PricedBy: order.PricedByCatalogue,
			By: order.OriginOperator, Reason: order.ReasonOperator, Note: sealed,
		}},
		{stream, 4, order.Shipped{ShipmentID: shipmentID}},
		{stream, 4, order.Shipped{
			ShipmentID: shipmentID, Revision: 1, DispatchedAt: "2026-03-02T09:30:03Z", StockClosed: true,
		}},
		{stream, 5, order.Delivered{ShipmentID: shipmentID}},
		{other, 3, order.Cancelling{
			Reason: order.Reason(account.ErrInsufficientFunds.Code()), Detail: "the account does not hold USD 38.53",
			From: order.StatusPlaced, Origin: order.OriginSaga, SagaID: sagaARN + otherID,
		}},
		{other, 4, order.UndoFailed{SagaID: sagaARN + otherID, Steps: []string{"release"}}},
		{
			other, 5,
			order.Cancelled{SagaID: sagaARN + otherID, Reason: order.Reason(account.ErrInsufficientFunds.Code())},
		},
	}
}

func customerFixtures() []fixture {
	return []fixture{
		{
			es.NewStreamID(customer.Category, customerID), 1,
			customer.Registered{CustomerID: customerID, Name: sealed, Email: sealed},
		},
		{
			es.NewStreamID(customer.Category, customerID), 2,
			customer.Changed{CustomerID: customerID, Name: sealed, Email: sealed},
		},
		{
			es.NewStreamID(customer.Category, customerID), 2,
			customer.MailSuppressed{CustomerID: customerID, Address: 1, Reason: customer.ReasonBounce},
		},
		{
			es.NewStreamID(customer.Category, customerID), 2,
			customer.Erased{CustomerID: customerID, ErasedAt: "2026-03-02T09:30:02Z"},
		},
	}
}

func accountFixtures() []fixture {
	stream := es.NewStreamID(account.Category, accountID)
	deposit, withdrawal := es.NewStreamID(account.DepositCategory, depositID),
		es.NewStreamID(account.WithdrawalCategory, withdrawalID)
	transfer, interest := es.NewStreamID(account.TransferCategory, transferID),
		es.NewStreamID(account.InterestCategory, interestID)
	return []fixture{
		{stream, 1, account.Opened{AccountID: accountID, CustomerID: customerID, Currency: "USD"}},
		{stream, 2, account.Deposited{Amount: usd(10_000), Reference: string(deposit)}},
		{stream, 3, account.Withdrawn{Amount: usd(2_500), Reference: string(withdrawal)}},
		{stream, 4, account.TransferredOut{ToAccountID: otherAccount, Amount: usd(3_000), Reference: string(transfer)}},
		{
			es.NewStreamID(account.Category, otherAccount), 2,
			account.TransferredIn{FromAccountID: accountID, Amount: usd(3_000), Reference: string(transfer)},
		},
		{stream, 5, account.InterestApplied{RateBasisPoints: 500, Amount: usd(225), Reference: string(interest)}},
		{es.NewStreamID(account.OpeningCategory, openingID), 1, account.OpeningProcessed{
			OpeningID: openingID, AccountID: accountID, CustomerID: customerID, Currency: "USD",
		}},
		{
			deposit, 1,
			account.DepositProcessed{
				DepositID: depositID, AccountID: accountID, Amount: usd(10_000), Balance: usd(10_000),
			},
		},
		{
			withdrawal, 1,
			account.WithdrawalProcessed{
				WithdrawalID: withdrawalID, AccountID: accountID, Amount: usd(2_500), Balance: usd(7_500),
			},
		},
		{transfer, 1, account.TransferProcessed{
			TransferID: transferID, FromAccountID: accountID, ToAccountID: otherAccount, Amount: usd(3_000),
			Balance: usd(4_500),
		}},
		{
			interest, 1,
			account.InterestProcessed{
				InterestID: interestID, AccountID: accountID, RateBasisPoints: 500, Amount: usd(225),
				Balance: usd(4_725),
			},
		},
	}
}

func paymentFixtures() []fixture {
	stream, other := es.NewStreamID(payment.Category, paymentID), es.NewStreamID(payment.Category, otherPayment)
	return []fixture{
		{stream, 1, payment.Processed{PaymentID: paymentID, OrderID: orderID, AccountID: accountID, Amount: usd(3853)}},
		{stream, 2, payment.Adjusted{
			PaymentID: paymentID, OrderID: orderID, AccountID: accountID, Amount: usd(2676), Difference: usd(-1177),
		}},
		{stream, 2, payment.Refunded{PaymentID: paymentID, OrderID: orderID, AccountID: accountID, Amount: usd(3853)}},
		{other, 1, payment.Declined{
			PaymentID: otherPayment, OrderID: otherID, Code: account.ErrInsufficientFunds.Code(),
			Detail: "the account does not hold USD 38.53",
		}},
		{other, 1, payment.Voided{PaymentID: otherPayment, OrderID: otherID}},
	}
}

func stockFixtures() []fixture {
	stream, other := es.NewStreamID(stock.ReservationCategory, reservationID),
		es.NewStreamID(stock.ReservationCategory, otherReserved)
	reserved := []stock.Item{{SKU: "CD-0042", Quantity: 2}, {SKU: "CD-0107", Quantity: 1}}
	return []fixture{
		{stream, 1, stock.Reserved{ReservationID: reservationID, OrderID: orderID, Items: reserved}},
		{stream, 2, stock.Amended{
			ReservationID: reservationID, OrderID: orderID,
			Items: []stock.Item{{SKU: "CD-0042", Quantity: 1}, {SKU: "CD-0107", Quantity: 2}},
			Taken: []stock.Item{{SKU: "CD-0107", Quantity: 1}}, Returned: []stock.Item{{SKU: "CD-0042", Quantity: 1}},
		}},
		{
			other, 1,
			stock.Backordered{
				ReservationID: otherReserved, OrderID: otherID, Revision: 1, Items: reserved,
				Places: []stock.Place{{SKU: "CD-0107", Quantity: 1, Ticket: 12}},
			},
		},
		{stream, 2, stock.Released{ReservationID: reservationID, OrderID: orderID, Items: reserved}},
		{stream, 2, stock.Departed{ReservationID: reservationID, OrderID: orderID, Items: reserved}},
		{stream, 2, stock.Committed{ReservationID: reservationID, OrderID: orderID, Items: reserved}},
		{stream, 3, stock.Committed{ReservationID: reservationID, OrderID: orderID, Items: reserved, Departed: true}},
		{
			stream, 2,
			stock.Committed{
				ReservationID: reservationID, OrderID: orderID, Items: reserved, CountedOff: []string{"CD-0107"},
			},
		},
		{
			other, 1,
			stock.Refused{
				ReservationID: otherReserved, OrderID: otherID, Code: stock.ErrInsufficient.Code(),
				Detail: "not enough of CD-0042",
			},
		},
		{other, 1, stock.Voided{ReservationID: otherReserved, OrderID: otherID}},
		{es.NewStreamID(stock.Category, "CD-0042"), 2, stock.Restocked{SKU: "CD-0042", Delta: -3, Counted: 97}},
		{es.NewStreamID(stock.ShardsCategory, "CD-0042"), 1, stock.Sharded{
			SKU: "CD-0042", Shards: 2, Moved: []stock.Item{
				{SKU: "CD-0042", Quantity: -97}, {SKU: "CD-0042#1", Quantity: 49}, {SKU: "CD-0042#2", Quantity: 48},
			},
		}},
	}
}

func shipmentFixtures() []fixture {
	stream, other := es.NewStreamID(shipment.Category, shipmentID), es.NewStreamID(shipment.Category, otherShipment)
	return []fixture{
		{
			stream, 1,
			shipment.Scheduled{
				ShipmentID: shipmentID, OrderID: orderID, TrackingNumber: shipment.TrackingNumber(shipmentID),
			},
		},
		{stream, 1, shipment.Scheduled{
			ShipmentID: shipmentID, OrderID: orderID, TrackingNumber: shipment.TrackingNumber(shipmentID), Revision: 1,
		}},
		{stream, 2, shipment.Prepared{
			ShipmentID: shipmentID, OrderID: orderID, CustomerID: customerID,
			Items: []shipment.Item{{SKU: "CD-0042", Quantity: 2}, {SKU: "CD-0107", Quantity: 1}}, Address: sealed,
		}},
		{stream, 3, shipment.Amended{
			ShipmentID: shipmentID, OrderID: orderID, Revision: 2, CustomerID: customerID,
			Items: []shipment.Item{{SKU: "CD-0042", Quantity: 1}, {SKU: "CD-0107", Quantity: 2}}, Address: sealed,
		}},
		{stream, 4, shipment.Labelled{
			ShipmentID: shipmentID, OrderID: orderID, TrackingNumber: shipment.TrackingNumber(shipmentID),
		}},
		{
			stream, 3,
			shipment.Dispatched{
				ShipmentID: shipmentID, OrderID: orderID, TrackingNumber: shipment.TrackingNumber(shipmentID),
			},
		},
		{stream, 3, shipment.Dispatched{
			ShipmentID: shipmentID, OrderID: orderID, TrackingNumber: shipment.TrackingNumber(shipmentID),
			DispatchedAt: "2026-03-02T09:30:03Z", StockClosed: true,
		}},
		{stream, 4, shipment.Delivered{ShipmentID: shipmentID, OrderID: orderID}},
		{stream, 4, shipment.Delivered{
			ShipmentID: shipmentID, OrderID: orderID, DispatchedAt: "2026-03-02T09:30:03Z", StockClosed: true,
		}},
		{stream, 2, shipment.Cancelled{ShipmentID: shipmentID, OrderID: orderID}},
		{
			stream, 2,
			shipment.Cancelled{
				ShipmentID: shipmentID, OrderID: orderID, Origin: string(order.OriginOperator),
				Reason: string(order.ReasonOperator), Note: sealed,
			},
		},
		{
			other, 1,
			shipment.Refused{
				ShipmentID: otherShipment, OrderID: otherID, Code: shipment.ErrCountryNotServed.Code(),
				Detail: "orders are not shipped to the address's country",
			},
		},
		{other, 1, shipment.Voided{ShipmentID: otherShipment, OrderID: otherID}},
	}
}

func productFixtures() []fixture {
	stream := es.NewStreamID(product.Category, "CD-0042")
	dollars, euros := product.Price{Money: usd(1199)}, product.Price{Money: money.Money{Amount: 1099, Currency: "EUR"}}
	sale := product.Price{Money: usd(999), ValidFrom: time.Date(2026, 11, 27, 5, 0, 0, 0, time.UTC)}
	return []fixture{
		{stream, 1, product.Listed{SKU: "CD-0042", Prices: []product.Price{euros, dollars}}},
		{stream, 2, product.Repriced{SKU: "CD-0042", Prices: []product.Price{euros, dollars, sale}}},
		{stream, 3, product.Withdrawn{SKU: "CD-0042"}},
	}
}

func requestFixtures() []fixture {
	return []fixture{{es.NewStreamID(request.Category, requestID), 1, request.Accepted{
		RequestID: requestID, Operation: "cancel-order", Target: string(es.NewStreamID(order.Category, orderID)),
	}}}
}
