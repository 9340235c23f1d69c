package httpapi

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"orderflow/shared/kit/es"
	"orderflow/shared/kit/ident"
	"orderflow/shared/shop/order"
	"orderflow/shared/shop/shipment"
)

type amendedLine struct {
	Line      *int64      `json:"line,omitempty" minimum:"0" maximum:"99" doc:"Index of the present line that this one continues, from 0. Omit it for the first line of the same SKU, or for a new one."`
	SKU       string      `json:"sku" pattern:"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$" example:"CD-0042"`
	Quantity  int64       `json:"quantity" minimum:"1" maximum:"100000" example:"1"`
	UnitPrice *price      `json:"unitPrice,omitempty" doc:"The price that the caller expects for one of the added pieces; if none are added, the price of the line. From a caller who may set prices, it is the price."`
	Discount  *adjustment `json:"discount,omitempty" doc:"Subtracted from the line. For callers who may set prices."`
	Tax       *adjustment `json:"tax,omitempty" doc:"Added to the line. For callers who may set prices."`
	Amount    *lineAmount `json:"amount,omitempty" doc:"What the caller expects this line to come to, including added pieces at another price. A different amount is rejected. For callers who may set prices."`
}

type amendOrderBody struct {
	Lines           *[]amendedLine `json:"lines,omitempty" maxItems:"100" nullable:"false" doc:"All lines that the order is to have. A line that is left out is removed and refunded. Omit lines to keep them as they are."`
	ShippingAddress *address       `json:"shippingAddress,omitempty" doc:"Omit to keep the address"`
	Reason          string         `json:"reason,omitempty" maxLength:"500" doc:"In the caller's own words. Stored encrypted, like an address."`
}

type amendOrderInput struct {
	ID      string `path:"id" format:"uuid" doc:"The order's id"`
	IfMatch string `header:"If-Match" doc:"The ETag of the order version to change" example:"\"3\""`
	Body    amendOrderBody
}

type amendedOutput struct {
	ETag string `header:"ETag"`
	Body orderAnswer
}

type amendmentAnswer struct {
	_        struct{}     `nullable:"true"`
	Revision int64        `json:"revision" doc:"The order's revision that it made"`
	By       order.Origin `json:"by" enum:"customer,operator,saga" doc:"saga if not all was in stock"`
	Reason   string       `json:"reason,omitempty" doc:"The words of the person who amended. Absent if there are none, or if the customer is erased."`
}

// amendments registers what changes orders and fixes their contents.
func (s *server) amendments(c Commands) {
	precondition := []int{
		http.StatusConflict, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusNotFound,
		http.StatusPreconditionFailed, http.StatusPreconditionRequired,
	}
	register(s, accessSignedIn, huma.Operation{
		OperationID: "amendOrder", Method: http.MethodPatch, Path: "/orders/{id}",
		Summary: "Change an order's lines or address",
		Description: "Possible until the order's shipment is labelled or dispatched. If-Match names the version to " +
			"change. All of it happens, or none: stock and money move by the difference, in one step with the " +
			"order, and a change of the address alone moves neither. Lines that stay keep their prices; a smaller " +
			"line keeps its share of its discount and tax. Added pieces have the catalogue's price, in a line of " +
			"their own if it differs. To remove all lines, cancel the order. 409 order.under-way, with Retry-After, " +
			"means that the order is being processed: read it again, and repeat. 422 stock.insufficient and " +
			"account.insufficient-funds leave the order as it was. A body that changes nothing writes nothing. A " +
			"duplicate request from the same caller has the same answer.",
		Errors: precondition,
	}, c.amendOrder)
	register(s, accessCarrier, huma.Operation{
		OperationID: "labelShipment", Method: http.MethodPost, Path: "/shipments/{id}/label",
		Summary: "Fix a shipment's contents",
		Description: "For operators and the carrier: reports that the shipment's label is printed. From then on, its " +
			"order can't be amended, only cancelled. If-Match names the version whose contents were read; 412 means " +
			"that they may have changed since. Possible once the shipment is prepared. If it is already labelled, " +
			"the answer shows it unchanged.",
		DefaultStatus: http.StatusOK, Errors: precondition,
	}, c.labelShipment)
}

func (c Commands) amendOrder(ctx context.Context, id identity, in *amendOrderInput) (*amendedOutput, error) {
	version, err := expectedVersion(in.IfMatch, "", order.ErrVersionRequired.Field("header.If-Match",
		"expected If-Match with the ETag that you read"))
	if err != nil {
		return nil, err
	}
	wanted, err := in.Body.wanted(id)
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(in.Body)
	if err != nil {
		return nil, fmt.Errorf("httpapi: encode request: %w", err)
	}
	asked := sha256.Sum256(body)
	// A PATCH needs no key: the caller, the version and what they ask for name it.
	req := es.Request{
		CommitID:    ident.Derive("amend-order", id.actor(), in.ID, strconv.FormatInt(version, 10)),
		Fingerprint: hex.EncodeToString(asked[:]), Time: c.Clock.Now(), Metadata: metadata(ctx),
	}
	res, err := c.Orders.Amend(ctx, req, in.ID, version, wanted)
	if err != nil {
		return nil, err
	}
	answer, err := openOrder(ctx, c.Orders, id, res.State, res.Head.Version())
	if err != nil {
		return nil, err
	}
	return &amendedOutput{ETag: etag(answer.Version), Body: answer}, nil
}

// wanted is the amendment in the order's terms.
func (b amendOrderBody) wanted(id identity) (order.AmendInput, error) {
	in := order.AmendInput{By: order.OriginCustomer, CustomerID: id.customer, Note: b.Reason}
	if id.isOperator() {
		in.By = order.OriginOperator
	}
	if id.namesPrices() {
		in.NamedBy = id.actor()
	}
	if b.ShippingAddress != nil {
		to := b.ShippingAddress.shipTo()
		in.Address = &to
	}
	if b.Lines == nil {
		return in, nil
	}
	in.Lines = make([]order.AmendLine, len(*b.Lines))
	for i, l := range *b.Lines {
		line := orderLine{
			SKU: l.SKU, Quantity: l.Quantity, UnitPrice: l.UnitPrice, Discount: l.Discount, Tax: l.Tax,
			Amount: l.Amount,
		}
		input, err := line.input(id, i)
		if err != nil {
			return in, err
		}
		in.Lines[i].LineInput = input
		if l.Line != nil {
			of := int(*l.Line)
			in.Lines[i].Of = &of
		}
	}
	return in, nil
}

type labelShipmentInput struct {
	Keyed
	ID      string `path:"id" format:"uuid" doc:"The shipment's id"`
	IfMatch string `header:"If-Match" doc:"The ETag of the shipment version whose contents you read" example:"\"2\""`
}

func (c Commands) labelShipment(ctx context.Context, id identity, in *labelShipmentInput) (*consignmentOutput, error) {
	version, err := expectedVersion(in.IfMatch, "", shipment.ErrVersionRequired.Field("header.If-Match",
		"expected If-Match with the ETag of the shipment whose contents you read"))
	if err != nil {
		return nil, err
	}
	req, err := in.claimed(
		ctx, id, c.Clock.Now(), "label-shipment", shipment.Category, in.ID, struct{ Version int64 }{version},
	)
	if err != nil {
		return nil, err
	}
	res, err := c.Shipments.Label(ctx, req, in.ID, version)
	if err != nil {
		return nil, err
	}
	return answerShipment(ctx, id, c.Shipments, res)
}
