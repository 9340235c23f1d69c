package contract

import (
	"orderflow/shared/kit/es"
	"orderflow/shared/shop/customer"
)

// CustomerRegistered is customer.registered. Name and address are sealed: whoever writes to the
// customer opens them with the right to, and they open no more once the customer is erased.
type CustomerRegistered struct {
	CustomerID string `json:"customerId" doc:"The customer, as a pseudonym." minLength:"1"`
	Name       string `json:"name" doc:"Ciphertext under the customer's data key, bound to the field customer.name." minLength:"1"`
	Email      string `json:"email" doc:"Ciphertext under the customer's data key, bound to the field customer.email." minLength:"1"`
}

// CustomerChanged is customer.changed. What is sealed in it opens as in CustomerRegistered.
type CustomerChanged struct {
	CustomerID string `json:"customerId" doc:"The customer, as a pseudonym." minLength:"1"`
	Name       string `json:"name,omitempty" doc:"The new name: ciphertext under the customer's data key, bound to the field customer.name. Absent where the name stays." minLength:"1"`
	Email      string `json:"email,omitempty" doc:"The new address of mail: ciphertext under the customer's data key, bound to the field customer.email. Absent where the address stays." minLength:"1"`
}

// CustomerMailSuppressed is customer.mail-suppressed. customer.changed with an address ends it.
type CustomerMailSuppressed struct {
	CustomerID string `json:"customerId" doc:"The customer, as a pseudonym." minLength:"1"`
	Reason     string `json:"reason" doc:"Why: the address takes no mail (bounce), or its owner calls the shop's mails spam (complaint)." enum:"bounce,complaint"`
}

// CustomerErased is customer.erased. From then on nothing opens any more that is sealed for the
// customer. A consumer that keeps personal data of theirs in clear has to delete it.
type CustomerErased struct {
	CustomerID string `json:"customerId" doc:"The customer, as a pseudonym." minLength:"1"`
	ErasedAt   string `json:"erasedAt" doc:"When, in UTC (RFC 3339)." format:"date-time"`
}

func customerTypes() []entry {
	return []entry{
		publish(Type{
			Name: "customer.registered", Version: 1, Context: "customer", Subject: "customer/{customerId}",
			Description: "A customer is known and may order.",
		},
			func(_ es.Recorded, e customer.Registered) CustomerRegistered {
				return CustomerRegistered{CustomerID: e.CustomerID, Name: string(e.Name), Email: string(e.Email)}
			}),
		publish(Type{
			Name: "customer.changed", Version: 1, Context: "customer", Subject: "customer/{customerId}",
			Description: "A customer's name or address of mail is another.",
		},
			func(_ es.Recorded, e customer.Changed) CustomerChanged {
				return CustomerChanged{CustomerID: e.CustomerID, Name: string(e.Name), Email: string(e.Email)}
			}),
		publish(Type{
			Name: "customer.mail-suppressed", Version: 1, Context: "customer", Subject: "customer/{customerId}",
			Description: "No mail goes to the customer's address any more.",
		},
			func(_ es.Recorded, e customer.MailSuppressed) CustomerMailSuppressed {
				return CustomerMailSuppressed{CustomerID: e.CustomerID, Reason: string(e.Reason)}
			}),
		publish(Type{
			Name: "customer.erased", Version: 1, Context: "customer", Subject: "customer/{customerId}",
			Description: "A customer is erased: what was stored of them in person can't be read any more.",
		},
			func(_ es.Recorded, e customer.Erased) CustomerErased {
				return CustomerErased{CustomerID: e.CustomerID, ErasedAt: e.ErasedAt}
			}),
	}
}
