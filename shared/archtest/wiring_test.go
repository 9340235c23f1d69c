package archtest

import (
	"fmt"
	"strings"
	"testing"

	"orderflow/shared/process/notification"
	"orderflow/shared/shop/account"
	"orderflow/shared/shop/customer"
	"orderflow/shared/shop/order"
	"orderflow/shared/shop/payment"
	"orderflow/shared/shop/product"
	"orderflow/shared/shop/shipment"
	"orderflow/shared/shop/stock"
)

// TestConstructors: a service that lacks what all that use it need is not made at all.
func TestConstructors(t *testing.T) {
	for name, tc := range map[string]struct {
		make func()
		want string
	}{
		"account":      {func() { account.New(account.Deps{}) }, "account.Deps lacks Store, Clock"},
		"customer":     {func() { customer.New(customer.Deps{}) }, "customer.Deps lacks Store, Clock"},
		"order":        {func() { order.New(order.Deps{}) }, "order.Deps lacks Store, Clock"},
		"payment":      {func() { payment.New(payment.Deps{}) }, "payment.Deps lacks Store, Clock"},
		"product":      {func() { product.New(product.Deps{}) }, "product.Deps lacks Clock, Rows"},
		"shipment":     {func() { shipment.New(shipment.Deps{}) }, "shipment.Deps lacks Store, Clock"},
		"stock":        {func() { stock.New(stock.Deps{}) }, "stock.Deps lacks Store, Clock"},
		"notification": {func() { notification.New(notification.Deps{}) }, "notification.Deps lacks Inbox, Orders"},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.Contains(got, tc.want) {
					t.Errorf("%s, want %s", got, tc.want)
				}
			}()
			tc.make()
		})
	}
}
