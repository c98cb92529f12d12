// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.28;

import {TokenDouble, WeETHDouble, WstETHDouble} from "Doubles.sol";

/// Doubles of the redemption queues, with the functions, events, errors and bounds of production that a request and a
/// claim meet. Whoever calls `finalize` pays, as the protocols' oracles have it paid.

interface IReceiver {
    function onERC721Received(address, address, uint256, bytes calldata) external returns (bytes4);
}

/// Lido: WithdrawalQueueERC721.sol and WithdrawalQueueBase.sol.
contract LidoQueueDouble {
    struct Request {
        uint256 amountOfStETH;
        uint256 amountOfShares;
        address owner;
        uint256 timestamp;
        bool isFinalized;
        bool isClaimed;
    }

    uint256 public constant MIN_STETH_WITHDRAWAL_AMOUNT = 100;
    uint256 public constant MAX_STETH_WITHDRAWAL_AMOUNT = 1000 * 1e18;
    WstETHDouble public immutable WSTETH;
    mapping(address => uint256) public balanceOf;
    Request[] private requests;
    uint256[] private lasts;
    uint256[] private discounts;
    bool public isPaused;

    event WithdrawalRequested(
        uint256 indexed requestId,
        address indexed requestor,
        address indexed owner,
        uint256 amountOfStETH,
        uint256 amountOfShares
    );
    event WithdrawalClaimed(
        uint256 indexed requestId, address indexed owner, address indexed receiver, uint256 amountOfETH
    );

    error ResumedExpected();
    error RequestAmountTooSmall(uint256 amount);
    error RequestAmountTooLarge(uint256 amount);
    error InvalidRequestId(uint256 requestId);
    error RequestNotFoundOrNotFinalized(uint256 requestId);
    error RequestAlreadyClaimed(uint256 requestId);
    error InvalidHint(uint256 hint);
    error NotOwner(address sender, address owner);
    error CantSendValueRecipientMayHaveReverted();

    constructor(address payable token) {
        WSTETH = WstETHDouble(token);
    }

    function pause(bool paused) external {
        isPaused = paused;
    }

    function requestWithdrawalsWstETH(uint256[] calldata amounts, address owner)
        external
        returns (uint256[] memory numbers)
    {
        if (isPaused) revert ResumedExpected();
        numbers = new uint256[](amounts.length);
        for (uint256 i; i < amounts.length; ++i) {
            WSTETH.transferFrom(msg.sender, address(this), amounts[i]);
            uint256 worth = WSTETH.getStETHByWstETH(amounts[i]);
            if (worth < MIN_STETH_WITHDRAWAL_AMOUNT) revert RequestAmountTooSmall(worth);
            if (worth > MAX_STETH_WITHDRAWAL_AMOUNT) revert RequestAmountTooLarge(worth);
            requests.push(Request(worth, amounts[i], owner, block.timestamp, false, false));
            numbers[i] = requests.length;
            ++balanceOf[owner];
            emit WithdrawalRequested(numbers[i], msg.sender, owner, worth, amounts[i]);
        }
    }

    function getWithdrawalStatus(uint256[] calldata numbers) external view returns (Request[] memory found) {
        found = new Request[](numbers.length);
        for (uint256 i; i < numbers.length; ++i) found[i] = _request(numbers[i]);
    }

    /// Everything up to `last`, at `discount` (1e27: none).
    function finalize(uint256 last, uint256 discount) external payable {
        for (uint256 i; i < last; ++i) requests[i].isFinalized = true;
        lasts.push(last);
        discounts.push(discount);
    }

    function getLastRequestId() external view returns (uint256) {
        return requests.length;
    }

    function getLastCheckpointIndex() external view returns (uint256) {
        return lasts.length;
    }

    function findCheckpointHints(uint256[] calldata numbers, uint256 first, uint256 last)
        external
        view
        returns (uint256[] memory hints)
    {
        hints = new uint256[](numbers.length);
        for (uint256 i; i < numbers.length; ++i)
            for (uint256 hint = last; hint >= first; --hint) if (numbers[i] <= lasts[hint - 1]) hints[i] = hint;
    }

    function getClaimableEther(uint256[] calldata numbers, uint256[] calldata hints)
        external
        view
        returns (uint256[] memory pays)
    {
        pays = new uint256[](numbers.length);
        for (uint256 i; i < numbers.length; ++i) pays[i] = _pays(numbers[i], hints[i]);
    }

    function claimWithdrawals(uint256[] calldata numbers, uint256[] calldata hints) external {
        for (uint256 i; i < numbers.length; ++i) {
            Request storage request = requests[numbers[i] - 1];
            if (!request.isFinalized) revert RequestNotFoundOrNotFinalized(numbers[i]);
            if (request.isClaimed) revert RequestAlreadyClaimed(numbers[i]);
            if (request.owner != msg.sender) revert NotOwner(msg.sender, request.owner);
            uint256 pays = _pays(numbers[i], hints[i]);
            request.isClaimed = true;
            --balanceOf[msg.sender];
            (bool paid,) = msg.sender.call{value: pays}("");
            if (!paid) revert CantSendValueRecipientMayHaveReverted();
            emit WithdrawalClaimed(numbers[i], msg.sender, msg.sender, pays);
        }
    }

    function _request(uint256 number) private view returns (Request memory) {
        if (number == 0 || number > requests.length) revert InvalidRequestId(number);
        return requests[number - 1];
    }

    function _pays(uint256 number, uint256 hint) private view returns (uint256) {
        if (hint == 0 || hint > lasts.length || number > lasts[hint - 1]) revert InvalidHint(hint);
        if (hint > 1 && number <= lasts[hint - 2]) revert InvalidHint(hint);
        return _request(number).amountOfStETH * discounts[hint - 1] / 1e27;
    }
}

/// EtherFi: LiquidityPool.sol.
contract LiquidityPoolDouble {
    TokenDouble public immutable eETH;
    WeETHDouble private immutable weETH;
    WithdrawRequestNFTDouble public immutable withdrawRequestNFT;

    error InvalidAmount();

    constructor(address token) {
        weETH = WeETHDouble(token);
        eETH = weETH.eETH();
        withdrawRequestNFT = new WithdrawRequestNFTDouble(this);
    }

    function amountForShare(uint256 share) external view returns (uint256) {
        return share * weETH.getRate() / 1e18;
    }

    function requestWithdraw(address recipient, uint256 amount) external returns (uint256) {
        uint256 share = amount * 1e18 / weETH.getRate();
        if (amount > type(uint96).max || amount == 0 || share == 0) revert InvalidAmount();
        eETH.transferFrom(msg.sender, address(withdrawRequestNFT), amount);
        return withdrawRequestNFT.requestWithdraw(uint96(amount), uint96(share + 1), recipient, 0);
    }
}

/// EtherFi: WithdrawRequestNFT.sol.
contract WithdrawRequestNFTDouble {
    struct WithdrawRequest {
        uint96 amountOfEEth;
        uint96 shareOfEEth;
        bool isValid;
        uint32 feeGwei;
    }

    LiquidityPoolDouble private immutable liquidityPool;
    mapping(uint256 => WithdrawRequest) private requests;
    mapping(uint256 => address) public ownerOf;
    mapping(address => uint256) public balanceOf;
    uint32 public nextRequestId = 1;
    uint32 public lastFinalizedRequestId;
    bool public paused;

    event Transfer(address indexed from, address indexed to, uint256 indexed tokenId);
    event WithdrawRequestCreated(
        uint32 indexed requestId, uint256 amountOfEEth, uint256 shareOfEEth, address owner, uint256 fee
    );
    event WithdrawRequestClaimed(
        uint32 indexed requestId, uint256 amountOfEEth, uint256 burntShareOfEEth, address owner, uint256 fee
    );

    constructor(LiquidityPoolDouble pool) {
        liquidityPool = pool;
    }

    function pause(bool paused_) external {
        paused = paused_;
    }

    function requestWithdraw(uint96 amount, uint96 share, address recipient, uint256 fee) external returns (uint256) {
        require(msg.sender == address(liquidityPool), "Caller is not the liquidity pool");
        require(!paused, "Pausable: paused");
        uint256 number = nextRequestId++;
        requests[number] = WithdrawRequest(amount, share, true, uint32(fee / 1 gwei));
        ownerOf[number] = recipient;
        ++balanceOf[recipient];
        emit Transfer(address(0), recipient, number);
        bytes4 answer = IReceiver(recipient).onERC721Received(msg.sender, address(0), number, "");
        require(answer == IReceiver.onERC721Received.selector, "ERC721: transfer to non ERC721Receiver implementer");
        emit WithdrawRequestCreated(uint32(number), amount, share, recipient, fee);
        return number;
    }

    function finalize(uint256 last) external payable {
        lastFinalizedRequestId = uint32(last);
    }

    function invalidateRequest(uint256 number) external {
        requests[number].isValid = false;
    }

    function getRequest(uint256 number) external view returns (WithdrawRequest memory) {
        return requests[number];
    }

    function isFinalized(uint256 number) public view returns (bool) {
        return number <= lastFinalizedRequestId;
    }

    /// The lesser of what was requested and of what its shares are worth now.
    function getClaimableAmount(uint256 number) public view returns (uint256) {
        require(isFinalized(number), "Request is not finalized");
        require(ownerOf[number] != address(0), "Already Claimed");
        uint256 amountForShares = liquidityPool.amountForShare(requests[number].shareOfEEth);
        return requests[number].amountOfEEth < amountForShares ? requests[number].amountOfEEth : amountForShares;
    }

    function claimWithdraw(uint256 number) external {
        require(ownerOf[number] == msg.sender, "Not the owner of the NFT");
        require(requests[number].isValid, "Request is not valid");
        uint256 pays = getClaimableAmount(number);
        uint96 share = requests[number].shareOfEEth;
        delete requests[number];
        delete ownerOf[number];
        --balanceOf[msg.sender];
        emit Transfer(msg.sender, address(0), number);
        (bool paid,) = msg.sender.call{value: pays}("");
        require(paid, "ETH transfer failed");
        emit WithdrawRequestClaimed(uint32(number), pays, share, msg.sender, 0);
    }
}
