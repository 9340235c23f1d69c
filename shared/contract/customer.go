package contract

import (
	"orderflow/shared/customer"
	"orderflow/shared/es"
)

// CustomerRegistered is customer.registered. Name and address are sealed: whoever writes to the customer opens them with the right to, and
// they open no more once the customer is erased.
type CustomerRegistered struct {
	CustomerID string `json:"customerId" doc:"The customer, as a pseudonym." minLength:"1"`
	Name       string `json:"name" doc:"Ciphertext under the customer's data key, bound to the field customer.name." minLength:"1"`
	Email      string `json:"email" doc:"Ciphertext under the customer's data key, bound to the field customer.email." minLength:"1"`
}

func customerTypes() []entry {
	return []entry{
		publish(Type{Name: "customer.registered", Version: 1, Context: "customer", Subject: "customer/{customerId}", Description: "A customer is known and may order."},
			func(_ es.Recorded, e customer.Registered) CustomerRegistered {
				return CustomerRegistered{CustomerID: e.CustomerID, Name: string(e.Name), Email: string(e.Email)}
			}),
	}
}
